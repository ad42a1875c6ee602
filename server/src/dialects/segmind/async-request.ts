import { Value } from 'typebox/value'
import { NearfieldError } from '../../errors.ts'
import { BodyPieces } from '../body-pieces.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { decode, type SegmindCall } from './decode.ts'
import { encode } from './encode.ts'
import { type EmbedBody, embedBody } from './schema.ts'

/** What the headers of a request ask for beside its body. A request that is answered later is run as they say, too. */
export interface StoredWishes {
  readonly lane?: 'interactive' | 'bulk' | undefined
  readonly cache: 'use' | 'refresh' | 'off'
  /** Name of the space the vectors must be in. */
  readonly pinnedSpace?: string | undefined
  /** Name of the model that may answer when the one asked for cannot. */
  readonly fallback?: string | undefined
}

/** A call that was taken earlier. */
export interface StoredCall extends SegmindCall {
  readonly wishes: StoredWishes
}

/** What is kept of a request until it is run: its body, as JSON whatever it came as, and what its headers asked for. */
export function encodeStored(body: EmbedBody, wishes: StoredWishes): Buffer {
  return Buffer.from(JSON.stringify({ body, wishes }))
}

/**
 * The call that `encodeStored` was given, for the model `deployment`.
 * @throws NearfieldError `invalid_request` when the body does not fit any more, which an older version of the server let in
 */
export function decodeStored(deployment: string, stored: Buffer): StoredCall {
  const { body, wishes }: { body: unknown; wishes: StoredWishes } = JSON.parse(stored.toString())
  if (!Value.Check(embedBody, body)) {
    throw new NearfieldError(
      'invalid_request',
      'The request was taken by another version of this server and does not fit this one. Send it again.',
    )
  }
  // How many texts it may hold was decided when it was taken.
  return { ...decode(deployment, body, { inputsMax: Number.POSITIVE_INFINITY }), wishes }
}

/** The body that `POST /v1/{slug}` answers this call with, as JSON: `Accept` has no say in what is fetched later. */
export function outputOf(answer: EmbedAnswer, call: SegmindCall): Buffer {
  const { body } = encode(answer, call, {})
  if (body instanceof BodyPieces) return Buffer.concat([...body])
  return Buffer.isBuffer(body) ? body : Buffer.from(body)
}
