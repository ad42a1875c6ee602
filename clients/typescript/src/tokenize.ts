import type { CallOptions, TaskType } from './embed.ts'
import type { WireObject } from './wire-object.ts'

export interface TokenizeOptions extends CallOptions {
  readonly model?: string | undefined
  readonly taskType?: TaskType | undefined
  /** Whether the ids hold what the model wants around every text, such as [CLS]; true when left out. */
  readonly addSpecialTokens?: boolean | undefined
}

export interface Tokens {
  readonly model: string
  /** One for every text, in order. */
  readonly results: readonly TokensOfText[]
  /** Over all texts: what embedding them would be billed for. */
  readonly tokensUsed: number
  readonly warnings: readonly string[]
}

export interface TokensOfText {
  /** What would go into the vector, a prompt of the task type included. */
  readonly tokenIds: readonly number[]
  /** Of the whole text, counted up to four times what the model accepts. */
  readonly tokens: number
  /** Tokens that would go into the vector and be billed. */
  readonly tokensUsed: number
  readonly truncated: boolean
  /** In how many windows the text would be read. */
  readonly windows: number
}

export function readTokens(body: WireObject): Tokens {
  return {
    model: body.string('model'),
    results: body.objects('results').map((result) => ({
      tokenIds: result.numbers('token_ids'),
      tokens: result.number('tokens'),
      tokensUsed: result.number('tokens_used'),
      truncated: result.boolean('truncated'),
      windows: result.number('windows'),
    })),
    tokensUsed: body.number('tokens_used'),
    warnings: body.strings('warnings'),
  }
}
