import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import { batchIdOf, batchIds, batchPages, encodeOperation, inlineOperation, noSuchBatch } from '../dialects/gemini/batch-operation.ts'
import { type AskedBatch, decodeCreateBatch, requestsDepth } from '../dialects/gemini/batch-request.ts'
import { fileKeepMs } from '../dialects/gemini/file-resource.ts'
import { decodePage, nextPage } from '../dialects/gemini/page.ts'
import { requireEmpty } from '../dialects/gemini/proto-json.ts'
import { jsonType } from '../dialects/json-reply.ts'
import { ListCutter } from '../dialects/list-cutter.ts'
import { withoutCollection } from '../dialects/model-name.ts'
import { ThreadTurns } from '../embedding/thread-turns.ts'
import { NearfieldError } from '../errors.ts'
import type { Batch, Batches, NewBatch } from '../jobs/batches.ts'
import type { Files, StoredFile } from '../jobs/files.ts'
import type { Services } from '../serve.ts'
import { limitedBody } from './arriving-body.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { findGoogleFile, type GeminiFilesScope } from './gemini-files-routes.ts'
import { cancelBatchSchema, createBatchSchema, deleteBatchSchema, getBatchSchema, listBatchesSchema } from './gemini-job-schemas.ts'
import { besideOpenAi, type GeminiVersion, geminiVersions } from './gemini-versions.ts'
import { refuseOtherCharsets } from './read-body.ts'

export interface GeminiBatchesScope extends GeminiFilesScope {
  readonly services: Pick<Services, 'access' | 'models'>
  readonly batches: Batches
}

interface BatchRoute {
  Params: { id: string }
}

/** Google's batches, in a plugin scope of its own. Asking how far one is costs nothing and counts against no limit. */
export async function geminiBatchesRoutes(app: FastifyInstance, scope: GeminiBatchesScope): Promise<void> {
  authenticateFirst(app, scope.dialect, scope.services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  // The dialect reads bodies field by field and refuses them in Google's words; the schemas only describe them.
  app.setValidatorCompiler(() => () => true)
  for (const version of geminiVersions) {
    makingRoute(app, scope, version)
    readingRoutes(app, scope, version)
    endingRoutes(app, scope, version)
  }
}

/** The body is read by the route while it arrives: parsed at once, a large one would keep everybody else waiting. */
function makingRoute(app: FastifyInstance, scope: GeminiBatchesScope, version: GeminiVersion): void {
  const options = { schema: { ...createBatchSchema, hide: version !== geminiVersions[0] }, config: { body: 'streamed' as const } }
  app.register(async (making) => {
    making.removeAllContentTypeParsers()
    making.addContentTypeParser('application/json', (_request, _payload, done) => done(null))
    making.post<{ Params: { model: string } }>(`/${version}/models/:model(.+)::asyncBatchEmbedContent`, options, async (request) => {
      const batch = await create(scope, request, withoutCollection(request.params.model))
      note(request, batch)
      return encodeOperation(batch)
    })
  })
}

async function create(scope: GeminiBatchesScope, request: FastifyRequest, model: string): Promise<Batch> {
  const { services, files, batches } = scope
  const principal = principalOf(request)
  const { requests, ...asked } = await readAsked(scope, request, model)
  services.access.countRequest(principal)
  const { deployment } = await services.models.find(model)
  services.access.authorize(principal, deployment)
  const wanted: Omit<NewBatch, 'inputFileId'> = { ...asked, wire: 'gemini', deployment: model }
  if ('lines' in requests) return createInline(scope, request, wanted, requests)
  const { id } = await findGoogleFile(files, principal.accountId, requests.file)
  return batches.create(principal, { ...wanted, inputFileId: id })
}

/** Bytes of requests that are looked at before others have the thread. */
const bytesPerTurn = 65_536

async function readAsked({ config: { http, jobs } }: GeminiBatchesScope, request: FastifyRequest, model: string): Promise<AskedBatch> {
  if (request.mediaType !== 'application/json') throw new NearfieldError('invalid_content_type')
  refuseOtherCharsets(request)
  const patience = { stallMs: http.receiveTimeoutMs, totalMs: http.uploadTimeoutMs }
  const cutter = new ListCutter(requestsDepth)
  for await (const piece of limitedBody(request.raw, jobs.batches.inlineBytesMax, patience)) cutter.push(piece)
  const reading = decodeCreateBatch(model, cutter.finish(), http.jsonDepthMax)
  const turns = new ThreadTurns(bytesPerTurn)
  for (;;) {
    const { value, done } = reading.next()
    if (done) return value
    if (turns.isOver(value.length)) await turns.letOthers()
  }
}

/** Requests in the call become a file that nobody sees, of the same lines. */
async function createInline(
  { files, batches, config }: GeminiBatchesScope,
  request: FastifyRequest,
  wanted: Omit<NewBatch, 'inputFileId'>,
  { lines }: Extract<AskedBatch['requests'], { lines: readonly Buffer[] }>,
): Promise<Batch> {
  const principal = principalOf(request)
  const { inlineLinesMax } = config.jobs.batches
  if (lines.length > inlineLinesMax) {
    const message = `A call may hold ${inlineLinesMax} requests of a batch; this one holds ${lines.length}. Upload them as a file, and name that.`
    throw new NearfieldError('invalid_request', message, { details: { field: 'batch.input_config.requests' } })
  }
  const own = { filename: 'requests.jsonl', mimeType: 'application/jsonl', purpose: 'batch', hidden: true, keepMs: fileKeepMs }
  const { accountId, id } = await files.store(principal.accountId, own, bytesOf(lines))
  try {
    return await batches.create(principal, { ...wanted, inputFileId: id, inline: true })
  } catch (thrown) {
    await files.delete(accountId, id).catch(() => undefined)
    throw thrown
  }
}

async function* bytesOf(lines: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const line of lines) {
    yield line
    yield lineEnd
  }
}

const lineEnd = Buffer.from('\n')

function readingRoutes(app: FastifyInstance, { files, batches }: GeminiBatchesScope, version: GeminiVersion): void {
  app.get<{ Querystring: Record<string, unknown> }>(`/${version}/batches`, besideOpenAi(version, listBatchesSchema), async (request) => {
    const wish = { ...decodePage(request.query, batchPages, batchIds), wire: 'gemini' as const }
    const page = await batches.list(principalOf(request).accountId, wish)
    return { operations: page.entries.map(encodeOperation), ...nextPage(page) }
  })

  app.get<BatchRoute>(`/${version}/batches/:id`, besideOpenAi(version, getBatchSchema), async (request, reply) => {
    const batch = await findBatch(batches, request)
    note(request, batch)
    return (await sendInline(files, batch, reply)) ?? encodeOperation(batch)
  })
}

/** With its answers, where these go there; `undefined` where they do not, or have expired. */
async function sendInline(files: Files, batch: Batch, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const output = batch.inline ? await outputOf(files, batch) : undefined
  if (output === undefined) return undefined
  const pieces = inlineOperation(batch, () => files.read(output))
  return reply.header('content-type', jsonType).send(Readable.from(pieces, { objectMode: false }))
}

async function outputOf(files: Files, { accountId, outputFileId }: Batch): Promise<StoredFile | undefined> {
  if (outputFileId === undefined) return undefined
  return files.find(accountId, outputFileId).catch(unlessNotFound)
}

function endingRoutes(app: FastifyInstance, { files, batches }: GeminiBatchesScope, version: GeminiVersion): void {
  const withoutBody = { config: { body: 'none' as const } }

  app.post<BatchRoute>(
    `/${version}/batches/:id(.+)::cancel`,
    { ...besideOpenAi(version, cancelBatchSchema), ...withoutBody },
    async (request) => {
      requireEmpty(request.body)
      const { accountId, id } = await findBatch(batches, request)
      note(request, await batches.cancel(accountId, id))
      return {}
    },
  )

  app.delete<BatchRoute>(`/${version}/batches/:id`, { ...besideOpenAi(version, deleteBatchSchema), ...withoutBody }, async (request) => {
    requireEmpty(request.body)
    const batch = await findBatch(batches, request)
    await batches.delete(batch.accountId, batch.id)
    note(request, batch)
    const { accountId, inline, outputFileId } = batch
    // Nobody else can ask for these answers.
    if (inline && outputFileId !== undefined) await files.delete(accountId, outputFileId).catch(unlessNotFound)
    return {}
  })

  app.patch<BatchRoute>(
    `/${version}/batches/:id(.+)::updateEmbedContentBatch`,
    { ...besideOpenAi(version, { hide: true }), schema: { hide: true }, ...withoutBody },
    () => {
      throw new NearfieldError('method_not_allowed', 'A batch cannot be changed once it is made. Cancel it and make another.')
    },
  )
}

/** Batches that were made in another dialect are not there. */
async function findBatch(batches: Batches, request: FastifyRequest<BatchRoute>): Promise<Batch> {
  const id = batchIdOf(request.params.id)
  const batch = await batches.find(principalOf(request).accountId, id).catch((thrown: unknown) => {
    throw isNotFound(thrown) ? noSuchBatch(id, thrown) : thrown
  })
  if (batch.wire !== 'gemini') throw noSuchBatch(id)
  return batch
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof NearfieldError && thrown.code === 'not_found'
}

function unlessNotFound(thrown: unknown): undefined {
  if (!isNotFound(thrown)) throw thrown
  return undefined
}

function note(request: FastifyRequest, { accountId, id, state }: Batch): void {
  request.facts = { account: accountId, batch: id, state }
}
