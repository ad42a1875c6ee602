import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import type { Config } from '../config.ts'
import type { Wire } from '../dialects/dialect.ts'
import { encodeDeletion, encodeFile, fileIdOf, filePages, listedPurpose, noSuchFile } from '../dialects/openai/file-object.ts'
import { decodePage, encodeList } from '../dialects/openai/list-envelope.ts'
import { decodeUploadFields } from '../dialects/openai/upload-fields.ts'
import { NearfieldError } from '../errors.ts'
import type { Files, StoredFile } from '../jobs/files.ts'
import type { Services } from '../serve.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { besideGoogle, openAiBases } from './openai-bases.ts'
import { deleteFileSchema, fileContentSchema, getFileSchema, listFilesSchema, uploadSchema } from './openai-file-schemas.ts'
import { receiveFile } from './receive-file.ts'
import type { RequestTypes } from './route-schemas.ts'

export interface OpenAiFilesScope {
  readonly dialect: Wire
  readonly services: Pick<Services, 'access'>
  readonly files: Files
  readonly config: Pick<Config, 'http' | 'jobs'>
}

/** OpenAI's files, in a plugin scope of its own. Reading and listing costs nothing and counts against no limit. */
export async function openAiFilesRoutes(app: FastifyInstance, scope: OpenAiFilesScope): Promise<void> {
  const { dialect, services, files } = scope
  authenticateFirst(app, dialect, services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  const routes = app.withTypeProvider<RequestTypes>()
  const accountOf = (request: FastifyRequest) => principalOf(request).accountId

  for (const base of openAiBases) {
    app.register(async (uploads) => {
      // The form is read by the route, while it arrives.
      uploads.removeAllContentTypeParsers()
      uploads.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
      const options = { ...besideGoogle(base, uploadSchema), config: { body: 'streamed' as const }, validatorCompiler: () => () => true }
      uploads.post(`${base}/files`, options, async (request) => {
        services.access.countRequest(principalOf(request))
        const file = await receiveUpload(scope, request)
        request.facts = { account: file.accountId, file: file.id, bytes: file.bytes }
        return encodeFile(file)
      })
    })

    routes.get(`${base}/files`, besideGoogle(base, listFilesSchema), async (request) => {
      const purpose = listedPurpose(request.query.purpose)
      const page = await files.list(accountOf(request), { ...decodePage(request.query, filePages), purpose })
      return encodeList(page, encodeFile)
    })

    routes.get(`${base}/files/:id`, besideGoogle(base, getFileSchema), async (request) =>
      encodeFile(await findFile(files, accountOf(request), request.params.id)),
    )

    routes.get(`${base}/files/:id/content`, besideGoogle(base, fileContentSchema), async (request, reply) => {
      const file = await findFile(files, accountOf(request), request.params.id)
      reply.headers(contentHeaders(file))
      return reply.send(Readable.from(files.read(file), { objectMode: false }))
    })

    routes.delete(`${base}/files/:id`, besideGoogle(base, deleteFileSchema), async (request) => {
      const { id } = await findFile(files, accountOf(request), request.params.id)
      await files.delete(accountOf(request), id)
      return encodeDeletion(id)
    })
  }
}

/** Stores the file of a form while it arrives; its purpose may stand behind it. */
function receiveUpload({ files, config }: OpenAiFilesScope, request: FastifyRequest): Promise<StoredFile> {
  if (request.mediaType !== 'multipart/form-data') throw new NearfieldError('invalid_content_type')
  const { http, jobs } = config
  const limits = { fileBytesMax: jobs.files.bytesMax, stallMs: http.receiveTimeoutMs, totalMs: http.uploadTimeoutMs }
  const { inputBytesMax } = jobs.batches
  return receiveFile(request.raw, limits, ({ filename, mimeType, content, fields, allFields }) => {
    let bytes = 0
    const refuseTooLarge = (purpose: string | undefined) => {
      if (purpose !== 'batch' || bytes <= inputBytesMax) return
      const message = `The input of a batch may have ${inputBytesMax} bytes. Split the file.`
      throw new NearfieldError('payload_too_large', message, { details: { field: 'file' } })
    }
    const counted = async function* () {
      for await (const piece of content) {
        bytes += piece.length
        refuseTooLarge(fields.get('purpose'))
        yield piece
      }
    }
    const late = async () => {
      const known = decodeUploadFields(await allFields)
      refuseTooLarge(known.purpose)
      return known
    }
    return files.store(principalOf(request).accountId, { filename, mimeType, purpose: 'user_data' }, counted(), late)
  })
}

async function findFile(files: Files, accountId: string, text: string): Promise<StoredFile> {
  const id = fileIdOf(text)
  try {
    return await files.find(accountId, id)
  } catch (thrown) {
    throw thrown instanceof NearfieldError && thrown.code === 'not_found' ? noSuchFile(id, 'id', thrown) : thrown
  }
}

/** What a caller stored is never shown by a browser as if it were ours. Source: RFC 6266; RFC 8187. */
function contentHeaders({ bytes, filename }: StoredFile): Record<string, string> {
  const name = encodeURIComponent(filename.toWellFormed()).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`)
  return {
    'content-type': 'application/octet-stream',
    'content-length': String(bytes),
    'content-disposition': `attachment; filename*=UTF-8''${name}`,
    'x-content-type-options': 'nosniff',
  }
}
