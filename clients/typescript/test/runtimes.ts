import { execFileSync } from 'node:child_process'
import { accessSync, constants, realpathSync } from 'node:fs'
import path from 'node:path'

export interface Runtime {
  /** Such as `node v20.1.0`. */
  readonly title: string
  /** Runs a JavaScript file with access to the network. */
  command(file: string): readonly [program: string, ...arguments_: string[]]
}

const denoArguments = ['run', '--quiet', '--allow-net', '--no-remote', '--node-modules-dir=manual']
const known = [
  { name: 'node', runs: (file: string) => [file] },
  { name: 'bun', runs: (file: string) => [file] },
  { name: 'deno', runs: (file: string) => [...denoArguments, file] },
] as const

const modules = path.resolve(import.meta.dirname, '../../../node_modules')
/** Where npm puts what it brings for this processor; what it does not bring may still be on the PATH. */
const brought = [path.join(modules, '@oven/bun-linux-x64-baseline/bin'), path.join(modules, '@deno/linux-x64-glibc')]

/** Every JavaScript runtime on this machine: the Node that tests run on, the host's own if it is another, Bun, Deno. */
export function installedRuntimes(): readonly Runtime[] {
  const found = new Map<string, Runtime>()
  for (const folder of [...brought, ...(process.env.PATH ?? '').split(path.delimiter)]) {
    for (const { name, runs } of known) {
      const program = executable(path.join(folder, name))
      if (program === undefined) continue
      const version = /v?\d+\.\d+\.\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? 'unknown'
      const title = `${name} ${version}`
      found.set(title, { title, command: (file) => [program, ...runs(file)] })
    }
  }
  return [...found.values()]
}

/** The runtimes that this machine lacks, by name. */
export function missingRuntimes(installed: readonly Runtime[]): readonly string[] {
  return known.map(({ name }) => name).filter((name) => !installed.some(({ title }) => title.startsWith(name)))
}

function executable(file: string): string | undefined {
  try {
    accessSync(file, constants.X_OK)
    return realpathSync(file)
  } catch {
    return undefined
  }
}
