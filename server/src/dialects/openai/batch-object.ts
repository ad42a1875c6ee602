import { Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import type { Batch, BatchState } from '../../jobs/batches.ts'
import { batchEndpoint } from './batch-line.ts'
import { completionWindow } from './batch-request.ts'
import { seconds } from './file-object.ts'
import { listOf } from './list-envelope.ts'

const batchIds = /^batch_[0-9a-z]{1,64}$/
export const batchPages = { limitMax: 100, limitDefault: 20, id: batchIds } as const

const nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) => Type.Union([schema, Type.Null()])
const states = ['validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', 'cancelled'] as const
const instant = nullable(Type.Integer({ description: 'Seconds since 1970.' }))
const batchErrors = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(
    Type.Object({
      code: Type.String(),
      message: Type.String(),
      param: nullable(Type.String()),
      line: nullable(Type.Integer({ description: 'Of the input file, counted from 1.' })),
    }),
  ),
})

/** Source: OpenAI's OpenAPI document, Batch; the openai package, resources/batches. */
export const batchObject = Type.Object({
  id: Type.String(),
  object: Type.Literal('batch'),
  endpoint: Type.String(),
  model: nullable(Type.String({ description: 'Known once the first line was read.' })),
  errors: nullable(batchErrors),
  input_file_id: Type.String(),
  completion_window: Type.String(),
  status: Type.Enum([...states]),
  output_file_id: nullable(Type.String()),
  error_file_id: nullable(Type.String({ description: 'Of requests that failed, or were never run.' })),
  created_at: Type.Integer(),
  in_progress_at: instant,
  expires_at: Type.Integer(),
  finalizing_at: instant,
  completed_at: instant,
  failed_at: instant,
  expired_at: instant,
  cancelling_at: instant,
  cancelled_at: instant,
  request_counts: Type.Object({ total: Type.Integer(), completed: Type.Integer(), failed: Type.Integer() }),
  usage: Type.Object({
    input_tokens: Type.Integer({ description: 'Billed tokens.' }),
    input_tokens_details: Type.Object({ cached_tokens: Type.Integer() }),
    output_tokens: Type.Integer(),
    output_tokens_details: Type.Object({ reasoning_tokens: Type.Integer() }),
    total_tokens: Type.Integer(),
  }),
  metadata: nullable(Type.Record(Type.String(), Type.String())),
})

export const batchList = listOf(batchObject)

/** What OpenAI leaves out, or has not yet, is `null`. */
export function encodeBatch(batch: Batch) {
  const finishedIn = (state: BatchState) => (batch.state === state ? atSecond(batch.finishedAtMs) : null)
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batchEndpoint,
    model: batch.deployment ?? null,
    errors: batch.problems.length === 0 ? null : { object: 'list', data: batch.problems.map(encodeProblem) },
    input_file_id: batch.inputFileId,
    completion_window: completionWindow,
    status: batch.state,
    output_file_id: batch.outputFileId ?? null,
    error_file_id: batch.errorFileId ?? null,
    created_at: seconds(batch.createdAtMs),
    in_progress_at: atSecond(batch.startedAtMs),
    expires_at: seconds(batch.expiresAtMs),
    finalizing_at: atSecond(batch.finalizingAtMs),
    completed_at: finishedIn('completed'),
    failed_at: finishedIn('failed'),
    expired_at: finishedIn('expired'),
    cancelling_at: atSecond(batch.cancellingAtMs),
    cancelled_at: finishedIn('cancelled'),
    request_counts: { total: batch.linesTotal, completed: batch.linesCompleted, failed: batch.linesFailed },
    usage: {
      input_tokens: batch.tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: batch.tokens,
    },
    metadata: batch.metadata === undefined ? null : JSON.parse(batch.metadata),
  }
}

function encodeProblem({ code, message, param, line }: Batch['problems'][number]) {
  return { code, message, param, line }
}

/** An id from an address, before anybody looks for it. @throws NearfieldError `not_found` */
export function batchIdOf(text: string): string {
  if (batchIds.test(text)) return text
  throw noSuchBatch(text)
}

/** OpenAI's sentence. */
export function noSuchBatch(id: string, cause?: unknown): NearfieldError {
  return new NearfieldError('not_found', `No batch found with id '${id.slice(0, 100)}'.`, { details: { field: 'id' }, cause })
}

function atSecond(ms: number | undefined): number | null {
  return ms === undefined ? null : seconds(ms)
}
