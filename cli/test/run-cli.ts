import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'

export interface CliRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const bin = path.resolve(import.meta.dirname, '../bin/nearfield.mjs')

/** Runs the real command line in a process of its own. */
export async function runCli(
  words: readonly string[],
  options: { dataDirectory: string; stdin?: string; environment?: object },
): Promise<CliRun> {
  const environment = {
    ...process.env,
    NEARFIELD_DATA_DIR: options.dataDirectory,
    NEARFIELD_REPLICAS: '1',
    PORT: '0',
    ...options.environment,
  }
  const child = spawn(process.execPath, [bin, ...words], { env: environment, stdio: 'pipe' })
  child.stdin.end(options.stdin ?? '')
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  return { code, stdout, stderr }
}

/** The one line of JSON that `--json` promises. */
// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
export function jsonOf({ stdout, stderr }: CliRun): any {
  const lines = stdout.split('\n')
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`expected one line of JSON, got ${JSON.stringify(stdout)}; stderr: ${stderr}`)
  return JSON.parse(lines[0] ?? '')
}
