import { createServer, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import type { EmbeddedWorkerData, EmbeddedWorkerMessage } from './embedded-database.ts'
import { runMessages, simpleQuery } from './run-messages.ts'
import { WireSession } from './wire-session.ts'

// The thread of the embedded database: PGlite behind a unix socket that speaks Postgres' own protocol, so that
// everything above sees one driver and one dialect, and a slow statement never holds up the event loop of the server.
//
// PGlite has one session. One connection uses it at a time; the next waits until that one has closed, then starts
// from a clean session (no transaction, no prepared statements).

if (parentPort === null) throw new Error('embedded-worker.ts runs as a worker thread only')
const port = parentPort
const { folder, socketPath, checkpointMs, bufferBytes } = workerData as EmbeddedWorkerData
// Postgres' own default, four times as much, made the process grow for as long as its tables did.
const buffers = ['-c', `shared_buffers=${Math.floor(bufferBytes / 1024)}kB`]
const database = await PGlite.create({ dataDir: folder, startParams: [...PGlite.defaultStartParams, ...buffers] })
// What database.ts asks of Postgres by connection options, which PGlite does not read.
const newSession = ['ROLLBACK', 'DISCARD ALL', 'SET plan_cache_mode = force_generic_plan']
/** By then the first requests, which should not wait for it, have been answered. */
const collectGarbageAfterMs = 5_000
const waiting: Socket[] = []
let current: Socket | undefined
let written = false
// Postgres leaves checkpoints to a process of its own, which PGlite has not: without them the write-ahead log grows for
// ever, and a start after a crash reads all of it (13 s for 1.3 GB).
const checkpoints = setInterval(checkpoint, checkpointMs)

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  waiting.push(socket)
  serveNext()
})
server.listen(socketPath, () => say({ kind: 'ready' }))
setTimeout(collectGarbage, collectGarbageAfterMs).unref()

port.on('message', (message: 'ping' | 'stop') => {
  if (message === 'ping') say({ kind: 'pong' })
  else void stop()
})

function serveNext(): void {
  if (current !== undefined) return
  const socket = waiting.shift()
  if (socket === undefined) return
  current = socket
  socket.on('close', () => {
    current = undefined
    serveNext()
  })
  if (socket.destroyed) return
  const session = new WireSession()
  socket.on('data', (chunk: Buffer) => {
    for (const request of session.receive(chunk)) {
      if (request.kind === 'encryption') socket.write('N')
      else if (request.kind === 'end') socket.end()
      else {
        if (request.kind === 'startup') cleanSession()
        written = true
        socket.cork()
        for (const piece of runMessages(database, request.bytes)) socket.write(piece)
        socket.uncork()
      }
    }
  })
}

function cleanSession(): void {
  for (const text of newSession) runMessages(database, simpleQuery(text))
}

/**
 * What unpacking and compiling PGlite left behind is a quarter of a gigabyte, and in this quiet thread V8 would not come to
 * collect it for minutes.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function checkpoint(): void {
  if (!written || database.isInTransaction()) return
  runMessages(database, simpleQuery('CHECKPOINT'))
  written = false
}

async function stop(): Promise<void> {
  clearInterval(checkpoints)
  server.close()
  current?.destroy()
  for (const socket of waiting) socket.destroy()
  // Closing runs Postgres' shutdown checkpoint.
  await database.close()
  say({ kind: 'stopped' })
  port.close()
}

function say(message: EmbeddedWorkerMessage): void {
  port.postMessage(message)
}
