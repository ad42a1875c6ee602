import type { Principal } from '../access/principal.ts'
import type { NanoDollars } from '../money.ts'
import type { Page, PageWish } from '../page.ts'

/** Whose lines a batch has. */
export type BatchWireName = 'openai' | 'gemini'

/**
 *     validating --every line can be read--> in_progress --all lines answered--> finalizing --> completed
 *         |                                    |    |
 *         +--a line is not one--> failed       |    +--its time is up--> expired
 *         |                                    |
 *         +--------------cancel----------------+--cancel--> cancelling --the chunk under way is done--> cancelled
 *
 * Whatever ends it, the lines that were answered are in its files, and these alone were charged.
 */
export type BatchState = 'validating' | 'in_progress' | 'finalizing' | 'completed' | 'failed' | 'expired' | 'cancelling' | 'cancelled'

export interface Batch {
  /** `batch_…` */
  readonly id: string
  readonly accountId: string
  readonly keyId: string
  readonly wire: BatchWireName
  /** The model asked for, once that is known. */
  readonly deployment: string | undefined
  readonly displayName: string | undefined
  /** The caller's own words, JSON. */
  readonly metadata: string | undefined
  readonly inputFileId: string
  /** Whether the requests came in the call that made it. */
  readonly inline: boolean
  readonly outputFileId: string | undefined
  readonly errorFileId: string | undefined
  readonly state: BatchState
  readonly linesTotal: number
  readonly linesCompleted: number
  readonly linesFailed: number
  /** Billed tokens. */
  readonly tokens: number
  readonly cost: NanoDollars
  /** Why it `failed`. */
  readonly problems: readonly BatchProblem[]
  readonly createdAtMs: number
  readonly startedAtMs: number | undefined
  readonly finalizingAtMs: number | undefined
  readonly cancellingAtMs: number | undefined
  /** When it came to its last state. */
  readonly finishedAtMs: number | undefined
  readonly expiresAtMs: number
}

/** Something in an input file that keeps the whole batch from running. */
export interface BatchProblem {
  readonly code: string
  readonly message: string
  /** Counted from 1; `null` where it is the file as a whole. */
  readonly line: number | null
  readonly param: string | null
}

export interface NewBatch {
  readonly wire: BatchWireName
  readonly deployment?: string | undefined
  readonly displayName?: string | undefined
  /** JSON. */
  readonly metadata?: string | undefined
  /** A complete file of the same account. */
  readonly inputFileId: string
  readonly inline?: boolean | undefined
  /** How long its output files are kept, milliseconds; left out, as long as the settings say. */
  readonly outputKeepMs?: number | undefined
}

/** Batches by account: that of another is as little there as one that never was. */
export interface Batches {
  /** @throws NearfieldError `not_found` when there is no such file, `rate_limited` when the account has too many that are not finished, `unavailable` */
  create(principal: Principal, batch: NewBatch): Promise<Batch>
  /** @throws NearfieldError `not_found`, `unavailable` */
  find(accountId: string, batchId: string): Promise<Batch>
  list(accountId: string, wish: PageWish & { readonly wire: BatchWireName }): Promise<Page<Batch>>
  /** Asks it to stop; it is `cancelling` until the chunk under way is done. @throws NearfieldError `not_found`, `state_conflict` when it is finished */
  cancel(accountId: string, batchId: string): Promise<Batch>
  /** Shows it no more. @throws NearfieldError `not_found`, `state_conflict` while it is not finished */
  delete(accountId: string, batchId: string): Promise<void>
}

/** In which something still happens to a batch. */
export const unfinishedStates: readonly BatchState[] = ['validating', 'in_progress', 'finalizing', 'cancelling']

/** Whether nothing will happen to it any more. */
export function isFinished({ state }: Pick<Batch, 'state'>): boolean {
  return !unfinishedStates.includes(state)
}
