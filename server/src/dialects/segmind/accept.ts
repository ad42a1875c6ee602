/** The forms in which vectors are answered: "Text/JSON" of the model page, and raw numbers. */
export type AnswerFormat = 'application/json' | 'text/plain' | 'text/csv' | 'application/octet-stream'

/** In the order in which a wildcard or a tie is decided. */
const formats: readonly AnswerFormat[] = ['application/json', 'text/plain', 'text/csv', 'application/octet-stream']

/**
 * The format an `Accept` header prefers; JSON when it names none of ours, because a caller who asks for something
 * we do not have is helped more by JSON than by an error. Source: RFC 9110, 12.5.1.
 */
export function answerFormat(accept: string | undefined): AnswerFormat {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return 'application/json'
  let best: AnswerFormat = 'application/json'
  let bestWeight = 0
  const ranges = accept.split(',', 32).map(parseRange)
  for (const format of formats) {
    const weight = weightOf(format, ranges)
    if (weight > bestWeight) {
      best = format
      bestWeight = weight
    }
  }
  return best
}

interface MediaRange {
  readonly type: string
  readonly weight: number
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.toLowerCase().split(';')
  const weight = parameters
    .map((parameter) => /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/.exec(parameter)?.[1])
    .find((found) => found !== undefined)
  return { type: type.trim(), weight: weight === undefined ? 1 : Math.min(1, Number(weight)) }
}

/** The weight of the most specific range that covers `format`; 0 when none does. */
function weightOf(format: AnswerFormat, ranges: readonly MediaRange[]): number {
  const family = `${format.slice(0, format.indexOf('/'))}/*`
  for (const wanted of [format, family, '*/*']) {
    const range = ranges.find(({ type }) => type === wanted)
    if (range !== undefined) return range.weight
  }
  return 0
}
