import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import type { Wire } from '../dialects/dialect.ts'
import { batchIdOf, batchPages, encodeBatch, noSuchBatch } from '../dialects/openai/batch-object.ts'
import { decodeBatch } from '../dialects/openai/batch-request.ts'
import { noSuchFile } from '../dialects/openai/file-object.ts'
import { decodePage, encodeList } from '../dialects/openai/list-envelope.ts'
import { NearfieldError } from '../errors.ts'
import type { Batch, Batches, NewBatch } from '../jobs/batches.ts'
import type { Files } from '../jobs/files.ts'
import type { Services } from '../serve.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { besideGoogle, openAiBases } from './openai-bases.ts'
import { cancelBatchSchema, createBatchSchema, getBatchSchema, listBatchesSchema } from './openai-batch-schemas.ts'
import type { RequestTypes } from './route-schemas.ts'

export interface OpenAiBatchesScope {
  readonly dialect: Wire
  readonly services: Pick<Services, 'access'>
  readonly files: Pick<Files, 'find'>
  readonly batches: Batches
}

/** OpenAI's batches, in a plugin scope of its own. Asking how far one is costs nothing and counts against no limit. */
export async function openAiBatchesRoutes(app: FastifyInstance, { dialect, services, files, batches }: OpenAiBatchesScope): Promise<void> {
  authenticateFirst(app, dialect, services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  const routes = app.withTypeProvider<RequestTypes>()

  for (const base of openAiBases) {
    routes.post(`${base}/batches`, besideGoogle(base, createBatchSchema), async (request) => {
      const principal = principalOf(request)
      const wanted = decodeBatch(request.body)
      services.access.countRequest(principal)
      await requireInput(files, principal.accountId, wanted)
      return note(request, await batches.create(principal, wanted))
    })

    routes.get(`${base}/batches`, besideGoogle(base, listBatchesSchema), async (request) => {
      const wish = { ...decodePage(request.query, batchPages), wire: 'openai' as const }
      return encodeList(await batches.list(principalOf(request).accountId, wish), encodeBatch)
    })

    routes.get(`${base}/batches/:id`, besideGoogle(base, getBatchSchema), async (request) =>
      note(request, await findBatch(batches, request, request.params.id)),
    )

    const withoutBody = { ...besideGoogle(base, cancelBatchSchema), config: { body: 'none' as const } }
    routes.post(`${base}/batches/:id/cancel`, withoutBody, async (request) => {
      const { accountId, id } = await findBatch(batches, request, request.params.id)
      return note(request, await batches.cancel(accountId, id))
    })
  }
}

/** Only a file that was meant to be one is run. */
async function requireInput(files: Pick<Files, 'find'>, accountId: string, { inputFileId }: NewBatch): Promise<void> {
  const field = 'input_file_id'
  const { purpose } = await files.find(accountId, inputFileId).catch((thrown: unknown) => {
    throw isNotFound(thrown) ? noSuchFile(inputFileId, field, thrown) : thrown
  })
  if (purpose === 'batch') return
  const message = `The file ${inputFileId} was uploaded with the purpose "${purpose}". Upload it with the purpose "batch".`
  throw new NearfieldError('invalid_request', message, { details: { field } })
}

/** Batches that were made in another dialect are not there. */
async function findBatch(batches: Batches, request: FastifyRequest, text: string): Promise<Batch> {
  const id = batchIdOf(text)
  const batch = await batches.find(principalOf(request).accountId, id).catch((thrown: unknown) => {
    throw isNotFound(thrown) ? noSuchBatch(id, thrown) : thrown
  })
  if (batch.wire !== 'openai') throw noSuchBatch(id)
  return batch
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof NearfieldError && thrown.code === 'not_found'
}

function note(request: FastifyRequest, batch: Batch) {
  request.facts = { account: batch.accountId, batch: batch.id, state: batch.state }
  return encodeBatch(batch)
}
