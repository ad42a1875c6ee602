import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { serverEnvironment, serverNodeArguments } from '../../scripts/server-process.mjs'
import { shareCompiledModels } from './shared-models.ts'

/** The server as `npm start` runs it: a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves when standard output matches; rejects when the process ends first. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
  /** The exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>
}

const root = path.resolve(import.meta.dirname, '../..')
/** As `npm start` does it. */
const command = [...serverNodeArguments, '--import', path.join(root, 'scripts/quick-imports.mjs'), path.join(root, 'server/src/main.ts')]
const compiledCode = path.join(root, '.cache/compiled')

export async function spawnServer(dataDirectory: string, environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  await shareCompiledModels(dataDirectory)
  const child = spawn(process.execPath, command, {
    env: {
      ...serverEnvironment,
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: compiledCode,
      PORT: '0',
      NEARFIELD_DATA_DIR: dataDirectory,
      NEARFIELD_REPLICAS: '1',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8')
    child[name].on('data', (text: string) => {
      output[name] += text
      child.emit('printed')
    })
  }
  // Listened for from the start, because the event is not repeated.
  const closed: Promise<number | NodeJS.Signals> = once(child, 'close').then(([code, signal]) => code ?? signal)
  return {
    child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(output.stdout)
        if (match !== null) return match
        const end = await Promise.race([once(child, 'printed').then(() => undefined), closed])
        if (end !== undefined && !pattern.test(output.stdout)) throw new Error(`the server ended with ${end}: ${output.stderr}`)
      }
    },
    ended: () => closed,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await closed
    },
  }
}
