import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { serverEnvironment, serverNodeArguments } from '../scripts/server-process.mjs'

const startTimeoutMs = 120_000

export interface RunningServer extends AsyncDisposable {
  readonly url: string
  readonly apiKey: string
  readonly dataDirectory: string
  readonly process: ChildProcess
}

export interface ServerOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** What Node is told before the server's own file, such as `--unhandled-rejections=strict`. */
  readonly nodeArguments?: readonly string[]
  /** Told what the server writes on standard error, which otherwise goes to this process's own. */
  readonly onError?: (text: string) => void
}

/** Starts the server as `npm start` does, on a fresh data folder with metering and PGlite, and reads its key from stdout. */
export async function startServer({ environment = {}, nodeArguments = [], onError }: ServerOptions = {}): Promise<RunningServer> {
  const dataDirectory = await mkdtemp(path.join(os.tmpdir(), 'nearfield-bench-'))
  const child = spawn(
    process.execPath,
    [...serverNodeArguments, ...nodeArguments, path.join(import.meta.dirname, '../server/src/main.ts')],
    {
      env: {
        ...serverEnvironment,
        ...process.env,
        PORT: '0',
        NEARFIELD_DATA_DIR: dataDirectory,
        NEARFIELD_LOG_LEVEL: 'warn',
        NEARFIELD_CACHE_BYTES_MAX: '0',
        ...environment,
      },
      stdio: ['ignore', 'pipe', onError === undefined ? 'inherit' : 'pipe'],
    },
  )
  if (onError !== undefined) child.stderr?.setEncoding('utf8').on('data', onError)
  const { url, apiKey } = await readAnnouncement(child)
  return {
    url,
    apiKey,
    dataDirectory,
    process: child,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      await rm(dataDirectory, { recursive: true, force: true })
    },
  }
}

async function readAnnouncement(child: ChildProcess): Promise<{ url: string; apiKey: string }> {
  let output = ''
  const found = new Promise<{ url: string; apiKey: string }>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server did not start within ${startTimeoutMs} ms`)), startTimeoutMs)
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const apiKey = /\bnf_live_\S+/.exec(output)?.[0]
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0]
      if (!apiKey || !url) return
      clearTimeout(timer)
      resolve({ url, apiKey })
    })
    child.on('exit', (code) => reject(new Error(`the server exited with ${code} before it was ready`)))
  })
  return found
}
