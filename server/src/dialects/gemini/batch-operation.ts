import { Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import { type Batch, type BatchState, isFinished } from '../../jobs/batches.ts'
import { rpcStatus } from './errors.ts'
import { fileNameOf, timestamp } from './file-resource.ts'

export const batchPages = { pageSizeDefault: 50, pageSizeMax: 1_000 }
export const batchIds = /^batch_[0-9a-z]{1,64}$/

const typeNames = 'type.googleapis.com/google.ai.generativelanguage.v1main'

/** Source: generativelanguage v1beta, BatchState. */
const states: Readonly<Record<BatchState, string>> = {
  validating: 'BATCH_STATE_PENDING',
  in_progress: 'BATCH_STATE_RUNNING',
  finalizing: 'BATCH_STATE_RUNNING',
  cancelling: 'BATCH_STATE_RUNNING',
  completed: 'BATCH_STATE_SUCCEEDED',
  failed: 'BATCH_STATE_FAILED',
  cancelled: 'BATCH_STATE_CANCELLED',
  expired: 'BATCH_STATE_EXPIRED',
}

const count = Type.String({ description: 'A whole number.' })
const answers = Type.Object({
  '@type': Type.Optional(Type.String({ description: 'In `response` only.' })),
  responsesFile: Type.Optional(Type.String({ description: 'The file of answers, where the requests came in a file.' })),
  inlinedResponses: Type.Optional(
    Type.Object({
      inlinedResponses: Type.Array(
        Type.Object({
          metadata: Type.Optional(Type.Object({}, { additionalProperties: true })),
          response: Type.Optional(Type.Object({ tokenCount: count, embedding: Type.Object({ values: Type.Array(Type.Number()) }) })),
          headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Ours: what an answer says in its headers.' })),
          error: Type.Optional(Type.Object({ code: Type.Integer(), message: Type.String(), status: Type.String() })),
        }),
        { description: 'In the order of the requests. Not in lists.' },
      ),
    }),
  ),
})

/** Source: google.longrunning.Operation; generativelanguage v1beta, EmbedContentBatch. */
export const operation = Type.Object({
  name: Type.String({ description: 'With `batches/` in front.' }),
  metadata: Type.Object({
    '@type': Type.String(),
    model: Type.String(),
    name: Type.String(),
    displayName: Type.Optional(Type.String()),
    createTime: Type.String(),
    updateTime: Type.String(),
    endTime: Type.Optional(Type.String()),
    batchStats: Type.Object({
      requestCount: count,
      successfulRequestCount: count,
      failedRequestCount: count,
      pendingRequestCount: count,
    }),
    state: Type.Enum([...new Set(Object.values(states))]),
    priority: Type.String({ description: 'As it was given; it orders nothing.' }),
    inputConfig: Type.Optional(Type.Object({ fileName: Type.String() })),
    output: Type.Optional(answers),
  }),
  done: Type.Boolean(),
  response: Type.Optional(answers),
  error: Type.Optional(
    Type.Object({ code: Type.Integer({ description: 'A number of google.rpc.Code.' }), message: Type.String(), status: Type.String() }),
  ),
})

export const operationList = Type.Object({
  operations: Type.Array(operation),
  nextPageToken: Type.Optional(Type.String({ description: 'Left out on the last page.' })),
})

/** Answers of a batch that was made inline are not in it: they are written while they are sent, by `inlineOperation`. */
export function encodeOperation(batch: Batch) {
  const { outputFileId, inline } = batch
  return operationWith(batch, outputFileId === undefined || inline ? undefined : { responsesFile: fileNameOf(outputFileId) })
}

function operationWith(batch: Batch, output: object | undefined) {
  const name = `batches/${batch.id}`
  const { displayName, finishedAtMs, cancellingAtMs, finalizingAtMs, startedAtMs, createdAtMs } = batch
  const done = isFinished(batch)
  const error = done ? errorOf(batch) : undefined
  return {
    name,
    metadata: {
      '@type': `${typeNames}.EmbedContentBatch`,
      model: `models/${batch.deployment}`,
      name,
      ...(displayName !== undefined && { displayName }),
      createTime: timestamp(createdAtMs),
      updateTime: timestamp(finishedAtMs ?? Math.max(cancellingAtMs ?? 0, finalizingAtMs ?? 0, startedAtMs ?? createdAtMs)),
      ...(finishedAtMs !== undefined && { endTime: timestamp(finishedAtMs) }),
      batchStats: batchStats(batch),
      state: states[batch.state],
      priority: priorityOf(batch),
      ...(!batch.inline && { inputConfig: { fileName: fileNameOf(batch.inputFileId) } }),
      ...(output !== undefined && { output }),
    },
    done,
    ...(error !== undefined && { error }),
    ...(done && error === undefined && { response: { '@type': `${typeNames}.EmbedContentBatchOutput`, ...output } }),
  }
}

function batchStats({ linesTotal, linesCompleted, linesFailed }: Batch) {
  return {
    requestCount: String(linesTotal),
    successfulRequestCount: String(linesCompleted),
    failedRequestCount: String(linesFailed),
    pendingRequestCount: String(linesTotal - linesCompleted - linesFailed),
  }
}

function priorityOf({ metadata }: Batch): string {
  const { priority = '0' }: { priority?: string } = metadata === undefined ? {} : JSON.parse(metadata)
  return priority
}

/** An operation that is done has an answer or an error, never both. */
function errorOf({ state, problems }: Batch) {
  switch (state) {
    case 'failed': {
      const sentences = problems.map(({ line, message }) => (line === null ? message : `Line ${line}: ${message}`))
      const code = problems.some(({ code }) => code === 'model_not_found') ? 'not_found' : 'invalid_request'
      return rpcStatus(new NearfieldError(code, sentences.join(' ')))
    }
    case 'cancelled':
      return rpcStatus(new NearfieldError('client_closed', 'The batch was cancelled. What was answered until then is in its output.'))
    case 'expired':
      return rpcStatus(new NearfieldError('deadline_exceeded', 'The batch expired. What was answered until then is in its output.'))
  }
}

/** Stands in an operation for the answers; in a name or a sentence it would be written otherwise. */
const gap = '\u0000answers'

/**
 * The JSON of an operation whose requests came in the call that made it. Each line of its output file is an answer as it stands, so
 * they are put in while they are read. @param lines gives the bytes of that file, anew each time
 */
export async function* inlineOperation(batch: Batch, lines: () => AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const text = JSON.stringify(operationWith(batch, { inlinedResponses: { inlinedResponses: gap } }))
  const [first = '', ...rest] = text.split(JSON.stringify(gap))
  yield Buffer.from(first)
  for (const part of rest) {
    yield* listOf(lines())
    yield Buffer.from(part)
  }
}

const lineFeed = 10
const comma = 44

/** Lines of JSON as a list: nothing but their ends are line feeds, and the last has one, too. */
async function* listOf(lines: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from('[')
  let owesComma = false
  for await (const piece of lines) {
    const written = Buffer.from(piece)
    for (let at = written.indexOf(lineFeed); at !== -1; at = written.indexOf(lineFeed, at + 1)) written[at] = comma
    if (owesComma) yield Buffer.from(',')
    owesComma = written.at(-1) === comma
    yield owesComma ? written.subarray(0, -1) : written
  }
  yield Buffer.from(']')
}

/** The id in a name, with or without `batches/`. @throws NearfieldError `not_found` */
export function batchIdOf(name: string): string {
  const id = name.replace(/^batches\//, '')
  if (batchIds.test(id)) return id
  throw noSuchBatch(id)
}

export function noSuchBatch(id: string, cause?: unknown): NearfieldError {
  return new NearfieldError('not_found', `There is no batch ${JSON.stringify(`batches/${id.slice(0, 100)}`)}. It may have been deleted.`, {
    cause,
  })
}
