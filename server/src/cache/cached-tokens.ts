import type { InputReport } from '../embedding/request.ts'
import type { Known } from './vector-cache.ts'

/** The billed tokens of the inputs that nothing must be computed for: those all of whose windows are known. */
export function cachedTokens(reports: readonly InputReport[], windowVectors: readonly Known[]): number {
  let tokens = 0
  let from = 0
  for (const { windows, tokensUsed } of reports) {
    const to = from + windows
    let known = true
    for (let window = from; window < to; window++) known &&= windowVectors[window] !== undefined
    if (known) tokens += tokensUsed
    from = to
  }
  return tokens
}
