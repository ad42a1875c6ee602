import { Command, CommanderError } from 'commander'
import type { Environment } from './admin-client.ts'
import { addCredits } from './commands/credits.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEmbed } from './commands/embed.ts'
import { addKeys } from './commands/keys.ts'
import { addMigrate } from './commands/migrate.ts'
import { addModels } from './commands/models.ts'
import { addServe } from './commands/serve.ts'
import { CommandError, type ExitCode, exitCode } from './exit-code.ts'
import { type Output, openOutput } from './output.ts'

/** What every command gets: where to write, and the environment with the global options laid over it. */
export interface Session {
  readonly output: Output
  readonly environment: Environment
}

/** Makes a command's action: `run` gets the session first, then what commander parsed, and says the exit code. */
export type Act = <Arguments extends readonly unknown[]>(
  run: (session: Session, ...parsed: Arguments) => Promise<ExitCode>,
) => (...parsed: Arguments) => Promise<void>

const exitCodeHelp = `
Exit codes: 0 done; 1 failed, or a check found something wrong; 2 the command was not understood;
3 the database or the data folder could not be opened.
Keys, credits and models are asked from the running server of the data folder; without one the folder is opened directly.`

/** Runs one command. @returns the exit code; errors were printed as one sentence on stderr */
export async function main(words: readonly string[], environment: Environment): Promise<ExitCode> {
  endWithReader(process.stdout)
  const program = new Command('nearfield')
    .description('The serverless text-embeddings API you can own.')
    .option('--json', 'print one line of JSON instead of text')
    .option('--data-dir <folder>', 'the data folder (or NEARFIELD_DATA_DIR)')
    .addHelpText('after', exitCodeHelp)
    .exitOverride()
  let result: ExitCode = exitCode.ok
  const act: Act =
    (run) =>
    async (...parsed) => {
      const { json, dataDir } = program.opts<{ json?: true; dataDir?: string }>()
      const merged = dataDir === undefined ? environment : { ...environment, NEARFIELD_DATA_DIR: dataDir }
      result = await run({ output: openOutput(json === true), environment: merged }, ...parsed)
    }
  for (const add of [addServe, addEmbed, addKeys, addCredits, addModels, addMigrate, addDoctor]) add(program, act)
  try {
    await program.parseAsync([...words], { from: 'user' })
    return result
  } catch (thrown) {
    return explain(thrown)
  }
}

/** Whoever reads the output may stop early, as `head` does; that ends the command and is no error. */
function endWithReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(exitCode.ok)
  })
}

function explain(thrown: unknown): ExitCode {
  // Commander has printed its own sentence; asking for help is no mistake.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCode.ok : exitCode.usage
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  process.stderr.write(`nearfield: ${message}\n`)
  if (thrown instanceof CommandError) return thrown.exitCode
  if (thrown instanceof Error && thrown.name === 'StorageError') return exitCode.storage
  if (thrown instanceof Error && thrown.name === 'ConfigError') return exitCode.usage
  return exitCode.failed
}
