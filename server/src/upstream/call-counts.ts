import type { UpstreamFailure } from './provider.ts'

/** What became of a call: it gave vectors, it failed, or nobody waited for it any more. */
export type CallOutcome = 'answered' | UpstreamFailure | 'given_up'

/** What was sent to an upstream since the start. */
export class CallCounts {
  readonly outcomes: Record<CallOutcome, number> = {
    ...{ answered: 0, rate_limited: 0, unavailable: 0, timed_out: 0, refused: 0, invalid_text: 0, wrong_answer: 0 },
    ...{ not_recorded: 0, given_up: 0 },
  }
  /** Texts of the calls that were answered. */
  texts = 0
  /** Tokens of those calls whose reply tells its own count: by our estimate, and as told. Apart they show how far it is off. */
  tokensEstimated = 0
  tokensTold = 0

  answered(texts: number, estimated: number, told: number | undefined): void {
    this.outcomes.answered++
    this.texts += texts
    if (told === undefined) return
    this.tokensEstimated += estimated
    this.tokensTold += told
  }
}
