import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** A server that speaks RESP, and what a test does to it. */
export interface ValkeyServer extends AsyncDisposable {
  readonly url: string
  /** From then on nothing is answered, and connections stay open. */
  hang(): void
  resume(): void
}

/** How to start each kind there is on this machine. The double is always there; a real server only where it is installed. */
export function valkeyServers(): { readonly name: string; readonly start: () => Promise<ValkeyServer> }[] {
  const real = ['valkey-server', 'redis-server'].find((program) => spawnSync(program, ['--version']).status === 0)
  if (real === undefined) process.stdout.write('Neither valkey-server nor redis-server is on the PATH: only a double is tested.\n')
  return [{ name: 'a double', start: startDouble }, ...(real === undefined ? [] : [{ name: real, start: () => startReal(real) }])]
}

async function startReal(program: string): Promise<ValkeyServer> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'nearfield-valkey-'))
  const port = await freePort()
  const child = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], { stdio: 'ignore' })
  await acceptsConnections(port)
  return {
    url: `redis://127.0.0.1:${port}`,
    hang: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server must have a port')
  return address.port
}

async function acceptsConnections(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    } finally {
      socket.destroy()
    }
  }
}

/** HELLO, MGET and SET of the protocol, in memory; everything else is answered with an error, as an old server would. */
async function startDouble(): Promise<ValkeyServer> {
  const values = new Map<string, Buffer>()
  const sockets = new Set<Socket>()
  let hanging = false
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    let unread = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      if (hanging) return
      unread = Buffer.concat([unread, chunk])
      for (let command = readCommand(unread); command !== undefined; command = readCommand(unread)) {
        unread = unread.subarray(command.bytes)
        socket.write(answer(command.words, values))
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server must have a port')
  return {
    url: `redis://127.0.0.1:${address.port}`,
    hang() {
      hanging = true
    },
    resume() {
      hanging = false
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A list of blobs: `*2`, then `$3`, `GET`, `$1`, `k`, each with CR LF. `undefined` until all of it has come. */
function readCommand(bytes: Buffer): { words: Buffer[]; bytes: number } | undefined {
  let at = 0
  const line = () => {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const text = bytes.toString('latin1', at + 1, end)
    at = end + 2
    return Number(text)
  }
  const count = line()
  if (count === undefined) return undefined
  const words: Buffer[] = []
  while (words.length < count) {
    const length = line()
    if (length === undefined || at + length + 2 > bytes.length) return undefined
    words.push(bytes.subarray(at, at + length))
    at += length + 2
  }
  return { words, bytes: at }
}

function answer([name, ...words]: readonly Buffer[], values: Map<string, Buffer>): Buffer {
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = words
  switch (name?.toString().toUpperCase()) {
    case 'HELLO':
      return Buffer.from('%2\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$5\r\nproto\r\n:3\r\n')
    case 'SET':
      values.set(first.toString('latin1'), Buffer.from(second))
      return Buffer.from('+OK\r\n')
    case 'MGET':
      return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...words.map((word) => blob(values.get(word.toString('latin1'))))])
    default:
      return Buffer.from('-ERR unknown command\r\n')
  }
}

function blob(value: Buffer | undefined): Buffer {
  return value === undefined ? Buffer.from('_\r\n') : Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')])
}
