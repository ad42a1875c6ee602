import { CommandError, exitCode } from './exit-code.ts'

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of `90s`, `15m`, `12h` or `30d`. @throws CommandError on anything else */
export function parseDuration(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text)
  const unit = match?.[2]
  if (match !== null && (unit === 's' || unit === 'm' || unit === 'h' || unit === 'd')) return Number(match[1]) * unitMs[unit]
  throw new CommandError(`"${text}" is not a duration; write a number and s, m, h or d, such as 30d.`, exitCode.usage)
}
