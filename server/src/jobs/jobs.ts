import type { AsyncRequests } from './async-requests.ts'
import type { Batches } from './batches.ts'
import type { Files } from './files.ts'

/** What callers hand in now and fetch later. */
export interface Jobs {
  readonly files: Files
  readonly batches: Batches
  readonly requests: AsyncRequests
}
