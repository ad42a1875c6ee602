import type { EmbedRequest } from '../embedding/request.ts'
import type { NearfieldError } from '../errors.ts'
import type { EmbedAnswer } from './dialect.ts'

/** What the headers of a request ask for beside its body. A request that is answered later is run as they say, too. */
export interface StoredWishes {
  readonly lane?: 'interactive' | 'bulk' | undefined
  readonly cache: 'use' | 'refresh' | 'off'
  /** Name of the space the vectors must be in. */
  readonly pinnedSpace?: string | undefined
  /** Name of the model that may answer when the one asked for cannot. */
  readonly fallback?: string | undefined
}

/** How requests that were taken earlier are read, and their answers written, in one dialect. Pure. */
export interface AsyncWire {
  /** @throws NearfieldError `invalid_request` when what was stored does not fit any more */
  decode(deployment: string, stored: Buffer): AsyncCall
  /** What its caller is told of a failure, in a sentence. */
  failure(error: NearfieldError): string
}

export interface AsyncCall {
  readonly request: EmbedRequest
  readonly wishes: StoredWishes
  /** The body of the answer. */
  output(answer: EmbedAnswer): Buffer
}
