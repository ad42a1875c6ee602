import { Value } from 'typebox/value'
import { NearfieldError } from '../../errors.ts'
import type { AsyncWire, StoredWishes } from '../async-wire.ts'
import { BodyPieces } from '../body-pieces.ts'
import type { EmbedAnswer } from '../dialect.ts'
import { decode, type SegmindCall } from './decode.ts'
import { encode } from './encode.ts'
import { messageOf } from './errors.ts'
import { type EmbedBody, embedBody } from './schema.ts'

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

/** Segmind's requests, as whoever runs them reads them. */
export const segmindAsync: AsyncWire = {
  decode(deployment, stored) {
    const call = decodeStored(deployment, stored)
    return { request: call.request, wishes: call.wishes, output: (answer) => outputOf(answer, call) }
  },
  failure: messageOf,
}
