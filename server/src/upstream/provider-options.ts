import type { Clock } from '../time.ts'

/** What a provider of a model stands on. */
export interface ProviderOptions {
  /** Its name at the upstream. */
  readonly model: string
  /** Length of its whole vectors. */
  readonly dimensions: number
  readonly baseUrl: string
  readonly timeoutMs: number
  readonly replyBytesMax: number
  readonly clock: Clock
}
