import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import type { Config } from '../config.ts'
import type { Wire } from '../dialects/dialect.ts'
import { encodeFile, fileIdOf, fileIds, filePages, noSuchFile } from '../dialects/gemini/file-resource.ts'
import { decodePage, nextPage } from '../dialects/gemini/page.ts'
import { requireEmpty } from '../dialects/gemini/proto-json.ts'
import { NearfieldError } from '../errors.ts'
import type { Files, StoredFile } from '../jobs/files.ts'
import type { Services } from '../serve.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import { deleteFileSchema, downloadSchema, getFileSchema, listFilesSchema } from './gemini-job-schemas.ts'
import { besideOpenAi, type GeminiVersion, geminiVersions } from './gemini-versions.ts'
import { publicAddressOf } from './public-address.ts'

export interface GeminiFilesScope {
  readonly dialect: Wire
  readonly services: Pick<Services, 'access'>
  readonly files: Files
  readonly config: Pick<Config, 'http' | 'jobs'>
}

interface FileRoute {
  Params: { id: string }
}

/** Google's files, in a plugin scope of its own. Reading and listing costs nothing and counts against no limit. */
export async function geminiFilesRoutes(app: FastifyInstance, { dialect, services, files, config }: GeminiFilesScope): Promise<void> {
  authenticateFirst(app, dialect, services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  app.setValidatorCompiler(() => () => true)
  const accountOf = (request: FastifyRequest) => principalOf(request).accountId
  const written = (file: StoredFile, request: FastifyRequest, version: GeminiVersion) =>
    encodeFile(file, `${publicAddressOf(request, config.http.publicUrl)}/${version}`)

  for (const version of geminiVersions) {
    app.get<{ Querystring: Record<string, unknown> }>(`/${version}/files`, besideOpenAi(version, listFilesSchema), async (request) => {
      const page = await files.list(accountOf(request), decodePage(request.query, filePages, fileIds))
      return { files: page.entries.map((file) => written(file, request, version)), ...nextPage(page) }
    })

    app.get<FileRoute>(`/${version}/files/:id`, besideOpenAi(version, getFileSchema), async (request) =>
      written(await findGoogleFile(files, accountOf(request), request.params.id), request, version),
    )

    const download = besideOpenAi(version, downloadSchema)
    app.get<FileRoute>(`/${version}/files/:id(.+)::download`, download, async (request, reply) => {
      const file = await findGoogleFile(files, accountOf(request), request.params.id)
      const headers = {
        'content-type': 'application/octet-stream',
        'content-length': String(file.bytes),
        'x-content-type-options': 'nosniff',
      }
      return reply.headers(headers).send(Readable.from(files.read(file), { objectMode: false }))
    })

    const deletion = { ...besideOpenAi(version, deleteFileSchema), config: { body: 'none' as const } }
    app.delete<FileRoute>(`/${version}/files/:id`, deletion, async (request) => {
      requireEmpty(request.body)
      const { accountId, id } = await findGoogleFile(files, accountOf(request), request.params.id)
      await files.delete(accountId, id)
      return {}
    })
  }
}

/** @throws NearfieldError `not_found` in Google's names */
export async function findGoogleFile(files: Pick<Files, 'find'>, accountId: string, name: string): Promise<StoredFile> {
  const id = fileIdOf(accountId, name)
  try {
    return await files.find(accountId, id)
  } catch (thrown) {
    throw thrown instanceof NearfieldError && thrown.code === 'not_found' ? noSuchFile(name, thrown) : thrown
  }
}
