import { createHmac, randomBytes } from 'node:crypto'
import type { UpstreamFailure, UpstreamText } from './provider.ts'

/** The model whose vectors are recorded, by what decides them beside the texts. */
export interface RecordedModel {
  /** As the upstream names it. */
  readonly model: string
  /** Length of its vectors. */
  readonly dimensions: number
}

/** What a call to another machine meant to one of its texts. */
export type Outcome = VectorOutcome | FailureOutcome

export interface VectorOutcome {
  readonly vector: Float32Array
  /** The text's share of the tokens of its call; `undefined` where the upstream counted none. */
  readonly tokens: number | undefined
  /** How long the call took, whole milliseconds. */
  readonly ms: number
}

export interface FailureOutcome {
  readonly failure: UpstreamFailure
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly ms: number
}

/** A line of a recording: whose outcome, and which. */
export interface RecordedLine {
  readonly item: string
  readonly model: string
  readonly outcome: Outcome
}

/** Something a recording cannot be read or written for, in a sentence for the operator. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError'
}

const kind = 'nearfield recording'
const version = 1
const saltBytes = 16
/** 128 bits: two texts of one recording never share them by chance. */
const itemDigits = 32

/** What a recording keeps. A key that was refused says nothing of the text, and replaying needs no key. */
const failures: ReadonlySet<string> = new Set<UpstreamFailure>(['rate_limited', 'unavailable', 'timed_out', 'invalid_text', 'wrong_answer'])

/** The first line of a new recording. Its salt makes the hashes of two recordings differ. */
export function newHeader(): { line: string; salt: Uint8Array } {
  const salt = randomBytes(saltBytes)
  return { line: `${JSON.stringify({ kind, version, salt: salt.toString('base64') })}\n`, salt }
}

/** The salt of a recording, from its first line. @throws RecordingError */
export function readHeader(line: string, source: string): Uint8Array {
  const header = fieldsOf(line)
  if (header?.kind !== kind) throw new RecordingError(`${source} is not a recording of vectors.`)
  if (header.version !== version) {
    throw new RecordingError(`${source} is a recording of version ${String(header.version)}; this program reads version ${version}.`)
  }
  const salt = Buffer.from(String(header.salt), 'base64')
  if (salt.length !== saltBytes) throw new RecordingError(`The first line of ${source} has no whole salt.`)
  return salt
}

/**
 * The name of a text in a recording: HMAC-SHA-256, keyed with the recording's salt, over all that decides its vector. It
 * tells nothing by itself, but who holds the file can try out guesses, as with any hash of a short text.
 */
export function itemOf({ text, taskType, title }: UpstreamText, { model, dimensions }: RecordedModel, salt: Uint8Array): string {
  // JSON writes a lone surrogate as an escape, so that no two texts become the same bytes.
  const whole = JSON.stringify([model, dimensions, taskType ?? null, title ?? null, text])
  return createHmac('sha256', salt).update(whole).digest('hex').slice(0, itemDigits)
}

/** One line of JSON with its line feed; a vector is the base64 of its little-endian 32-bit floats. */
export function encodeLine({ item, model, outcome }: RecordedLine): string {
  const { ms } = outcome
  const row = 'vector' in outcome ? { ms, tokens: outcome.tokens, vector: base64Of(outcome.vector) } : outcome
  return `${JSON.stringify({ item, model, ...row })}\n`
}

/** @throws RecordingError naming `source`, such as a file and a line, when it is not a whole line of a recording */
export function decodeLine(line: string, source: string): RecordedLine {
  const damaged = () => new RecordingError(`${source} is damaged. Restore the file, or take that line out and record its text again.`)
  const row = fieldsOf(line)
  if (row === undefined) throw damaged()
  const { item, model, ms, tokens, vector, failure, status, retryAfterMs } = row
  if (typeof item !== 'string' || !/^[0-9a-f]{32}$/.test(item) || typeof model !== 'string' || !isCount(ms)) throw damaged()
  if (typeof vector === 'string') {
    const numbers = floatsOf(vector)
    if (numbers === undefined || !isCountOrNothing(tokens)) throw damaged()
    return { item, model, outcome: { vector: numbers, tokens, ms } }
  }
  if (!isRecorded(failure) || !isCountOrNothing(status) || !isCountOrNothing(retryAfterMs)) throw damaged()
  return { item, model, outcome: { failure, status, retryAfterMs, ms } }
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

function isCountOrNothing(value: unknown): value is number | undefined {
  return value === undefined || isCount(value)
}

/** Whether a failure belongs into a recording. */
export function isRecorded(value: unknown): value is UpstreamFailure {
  return typeof value === 'string' && failures.has(value)
}

const floatBytes = Float32Array.BYTES_PER_ELEMENT

function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * floatBytes)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * floatBytes)
  return bytes.toString('base64')
}

/** `undefined` where it is no vector: of no whole numbers, or with one that is not finite. */
function floatsOf(base64: string): Float32Array | undefined {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length === 0 || bytes.length % floatBytes !== 0 || bytes.toString('base64') !== base64) return undefined
  const vector = Float32Array.from({ length: bytes.length / floatBytes }, (_, index) => bytes.readFloatLE(index * floatBytes))
  return vector.every(Number.isFinite) ? vector : undefined
}
