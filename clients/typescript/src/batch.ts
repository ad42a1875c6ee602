import type { BatchProblem } from './errors.ts'
import { UnexpectedAnswerError } from './errors.ts'
import type { WireObject } from './wire-object.ts'

const states = ['validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'] as const

/** From `validating` over `in_progress` and `finalizing` to `completed`; or `failed`, `expired`, `cancelled`. */
export type BatchState = (typeof states)[number]

/** Many texts in one piece of work, which takes its time and costs less. */
export interface Batch {
  readonly id: string
  readonly state: BatchState
  /** Items in all; 0 until the server has read them. */
  readonly total: number
  /** Items that have their vectors. */
  readonly completed: number
  /** Items that were refused. */
  readonly failed: number
  /** Tokens billed; `undefined` until that is known. */
  readonly tokens: number | undefined
  /** What kept it from running, where it is `failed`. */
  readonly problems: readonly BatchProblem[]
  readonly inputFileId: string
  readonly outputFileId: string | undefined
  readonly errorFileId: string | undefined
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
  /** The words that it was made with. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Whether nothing will happen to it any more. */
export function isFinished({ state }: Pick<Batch, 'state'>): boolean {
  return state === 'completed' || state === 'failed' || state === 'expired' || state === 'cancelled'
}

/** A batch as the server writes it. Source: OpenAI's OpenAPI document, Batch. */
export function readBatch(wire: WireObject): Batch {
  const counts = wire.optional('request_counts', (name) => wire.object(name))
  const usage = wire.optional('usage', (name) => wire.object(name))
  const errors = wire.optional('errors', (name) => wire.object(name))
  const string = (name: string) => wire.string(name)
  return {
    id: wire.string('id'),
    state: stateOf(wire.string('status')),
    total: counts?.number('total') ?? 0,
    completed: counts?.number('completed') ?? 0,
    failed: counts?.number('failed') ?? 0,
    tokens: usage?.number('total_tokens'),
    problems: errors?.optional('data', (name) => errors.objects(name).map(readProblem)) ?? [],
    inputFileId: wire.string('input_file_id'),
    outputFileId: wire.optional('output_file_id', string),
    errorFileId: wire.optional('error_file_id', string),
    createdAt: dateOf(wire.number('created_at')),
    expiresAt: wire.optional('expires_at', (name) => dateOf(wire.number(name))),
    metadata: wire.optional('metadata', (name) => wire.object(name).stringsByName()) ?? {},
  }
}

function stateOf(text: string): BatchState {
  const known = states.find((state) => state === text)
  if (known !== undefined) return known
  throw new UnexpectedAnswerError('The answer has a batch of a status that there is not.', { status: 200 })
}

function readProblem(wire: WireObject): BatchProblem {
  return {
    code: wire.string('code'),
    message: wire.string('message'),
    line: wire.optional('line', (name) => wire.number(name)),
  }
}

function dateOf(seconds: number): Date {
  return new Date(seconds * 1_000)
}
