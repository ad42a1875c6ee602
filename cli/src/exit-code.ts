/** What the exit code of every command means. Documented in `nearfield --help`; a script may rely on it. */
export const exitCode = {
  ok: 0,
  /** The command ran and failed, or `doctor` and `verify` found something wrong. */
  failed: 1,
  /** The command was not understood: an unknown verb, option or value. */
  usage: 2,
  /** The database or the data folder could not be opened, for example because another process uses it. */
  storage: 3,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** A failure in one plain sentence, with the exit code it ends in. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(message: string, code: ExitCode = exitCode.failed, options: { cause?: unknown } = {}) {
    super(message, options)
    this.exitCode = code
  }
}
