import type { EmbedRequest, EmbedTimings, InputReport } from '../embedding/request.ts'
import type { NearfieldError } from '../errors.ts'
import type { NanoDollars } from '../money.ts'
import type { BodyPieces } from './body-pieces.ts'

/** What a dialect is before a call has been understood: how calls are signed, and how they are told no. */
export interface Wire {
  readonly name: string
  /**
   * The API key of a request, `undefined` when it carries none. `url` is its path with the query.
   * @throws NearfieldError `invalid_api_key` when the credential has a form that this dialect never accepts
   */
  credential(headers: RequestHeaders, url: string): string | undefined
  /** The envelope of an error, whatever stage it comes from; `url` is what was asked for, where that is known. */
  refuse(error: NearfieldError, url?: string): WireReply
}

/**
 * The shape of a wire format we speak: pure translators between its bytes and the one embedding request of the server.
 * `Call` is what the dialect itself must remember between decoding a request and encoding its answer.
 */
export interface Dialect<Call extends DecodedCall> extends Wire {
  encode(answer: EmbedAnswer, call: Call, headers: RequestHeaders): WireReply
}

/** Header names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

export interface DecodedCall {
  readonly request: EmbedRequest
}

/** What a request gave, before any dialect writes it down. */
export interface EmbedAnswer {
  /** Under which it is charged; that of an earlier request where this one repeats it under the same idempotency key. */
  readonly requestId: string
  /** Name of the model that made the vectors, which may stand in for the one asked for. */
  readonly model: string
  /** Names the vector space. Vectors of two spaces must not be compared. */
  readonly space: string
  /** `[inputs]` vectors of the requested length, unit length. */
  readonly vectors: readonly Float32Array[]
  readonly reports: readonly InputReport[]
  /** What the caller should know about how these vectors were made. */
  readonly notes: readonly string[]
  /** Billed tokens over all inputs. */
  readonly tokens: number
  /** How many of them are of texts whose vectors were cached. */
  readonly cachedTokens: number
  readonly cost: NanoDollars
  readonly remaining: NanoDollars
  /** When the caller's rate limit window resets, milliseconds since 1970. */
  readonly resetAtMs: number
  readonly timings: EmbedTimings
  /** From arrival to the finished answer, milliseconds. */
  readonly totalMs: number
}

/** A reply ready for the socket. `headers` holds the content type and whatever only this dialect sends. */
export interface WireReply {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer | string | BodyPieces
}
