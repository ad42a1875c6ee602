import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { requireScope } from '../access/authorize.ts'
import { encodeFile, fileIds } from '../dialects/gemini/file-resource.ts'
import { decodeNewFile, decodeUploadCall, keptFor, type UploadCall } from '../dialects/gemini/upload-request.ts'
import { parseStrictJson } from '../dialects/strict-json.ts'
import { NearfieldError } from '../errors.ts'
import type { Files, StoredFile } from '../jobs/files.ts'
import { arrivingBody, limitedBody } from './arriving-body.ts'
import { authenticateFirst, principalOf } from './authenticated.ts'
import type { GeminiFilesScope } from './gemini-files-routes.ts'
import { uploadSchema } from './gemini-job-schemas.ts'
import { type GeminiVersion, geminiVersions } from './gemini-versions.ts'
import { publicAddressOf } from './public-address.ts'
import type { Patience } from './slow-bodies.ts'

interface UploadRoute {
  Querystring: { upload_id?: string; key?: string }
}
type Request = FastifyRequest<UploadRoute>

const statusHeader = 'x-goog-upload-status'

/**
 * Google's uploads: a file is started, its bytes come in chunks, each of which may be sent again, and the last makes it whole. Or it
 * is the body of one call. A chunk says that it is JSON whatever it is, so bodies are read by the route. Every answer about an upload
 * says in `x-goog-upload-status` how it stands: without that header Google's client sends the same chunk again.
 */
export async function geminiUploadRoutes(app: FastifyInstance, scope: GeminiFilesScope): Promise<void> {
  // How it stands unless something better is known: an upload that began goes on, one that was refused is over.
  app.addHook<UploadRoute>('onRequest', async ({ query }, reply) => {
    reply.header(statusHeader, query.upload_id === undefined ? 'final' : 'active')
  })
  authenticateFirst(app, scope.dialect, scope.services.access)
  app.addHook('onRequest', async (request) => requireScope(principalOf(request), 'embed'))
  app.addHook('onRequest', async ({ headers }) => {
    // What a body calls itself is a word about the file, which need not even have a slash, and nothing for a parser.
    headers['x-goog-upload-header-content-type'] ??= headers['content-type']
    delete headers['content-type']
  })
  app.setValidatorCompiler(() => () => true)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  for (const version of geminiVersions) {
    const schema = { ...uploadSchema, hide: version !== geminiVersions[0] }
    app.post<UploadRoute>(`/upload/${version}/files`, { schema, config: { body: 'streamed' } }, (request, reply) => {
      const { upload_id: session } = request.query
      return new Upload(scope, version, request, reply).answer(decodeUploadCall(request.headers, session), session ?? '')
    })
  }
}

/** One call of an upload. */
class Upload {
  readonly #scope: GeminiFilesScope
  readonly #version: GeminiVersion
  readonly #request: Request
  readonly #reply: FastifyReply
  readonly #accountId: string
  readonly #files: Files
  readonly #patience: Patience

  constructor(scope: GeminiFilesScope, version: GeminiVersion, request: Request, reply: FastifyReply) {
    const { http } = scope.config
    this.#scope = scope
    this.#version = version
    this.#request = request
    this.#reply = reply
    this.#accountId = principalOf(request).accountId
    this.#files = scope.files
    this.#patience = { stallMs: http.receiveTimeoutMs, totalMs: http.uploadTimeoutMs }
  }

  async answer(call: UploadCall, session: string): Promise<FastifyReply> {
    if (call.kind === 'start') return this.#start()
    if (call.kind === 'raw') return this.#raw()
    try {
      if (!fileIds.test(session)) throw new NearfieldError('not_found')
      if (call.kind === 'cancel') return await this.#cancel(session)
      if (call.kind === 'query') return await this.#query(session)
      return await this.#chunk(session, call)
    } catch (thrown) {
      throw this.#refused(thrown)
    }
  }

  async #start(): Promise<FastifyReply> {
    const { services, config } = this.#scope
    const { headers, raw } = this.#request
    services.access.countRequest(principalOf(this.#request))
    const body = await gathered(limitedBody(raw, config.http.bodyBytesMax, this.#patience))
    const parsed = body.length === 0 ? undefined : parseStrictJson(body, config.http.jsonDepthMax)
    const file = await this.#files.start(this.#accountId, this.#kept(decodeNewFile(headers, parsed, this.#accountId)))
    this.#note(file)
    const query = new URLSearchParams({ upload_id: file.id, upload_protocol: 'resumable' })
    // Who signed in the address does so at this one, too.
    if (this.#request.query.key !== undefined) query.set('key', this.#request.query.key)
    this.#reply.headers({
      'x-goog-upload-url': `${this.#address()}/upload/${this.#version}/files?${query}`,
      'x-goog-upload-chunk-granularity': '1',
    })
    return this.#status('active').send('')
  }

  async #raw(): Promise<FastifyReply> {
    const { headers, raw } = this.#request
    this.#scope.services.access.countRequest(principalOf(this.#request))
    const file = decodeNewFile(headers, undefined, this.#accountId)
    return this.#whole(await this.#files.store(this.#accountId, this.#kept(file), arrivingBody(raw, this.#patience)))
  }

  async #chunk(id: string, { offset, finalize }: UploadCall & { readonly kind: 'chunk' }): Promise<FastifyReply> {
    const known = await this.#completed(id)
    if (known !== undefined) return this.#again(known, offset)
    const received = await this.#files.append(this.#accountId, id, offset, arrivingBody(this.#request.raw, this.#patience))
    if (finalize) return this.#whole(await this.#files.complete(this.#accountId, id))
    return this.#received(received).send('')
  }

  /** The answer to the last chunk was lost: it is the same one, as long as nothing is new. */
  async #again(file: StoredFile, offset: number): Promise<FastifyReply> {
    this.#status('final')
    let end = offset
    for await (const piece of arrivingBody(this.#request.raw, this.#patience)) end += piece.length
    if (end <= file.bytes) return this.#whole(file)
    throw new NearfieldError('state_conflict', 'This file is complete; nothing can be added to it.', { details: { bytes: file.bytes } })
  }

  async #query(id: string): Promise<FastifyReply> {
    const known = await this.#completed(id)
    if (known !== undefined) return this.#whole(known)
    return this.#received(await this.#files.append(this.#accountId, id, 0, noBytes())).send('')
  }

  async #cancel(id: string): Promise<FastifyReply> {
    if ((await this.#completed(id)) !== undefined)
      throw new NearfieldError('state_conflict', 'This upload is complete and cannot be cancelled any more. Delete the file.')
    await this.#files.delete(this.#accountId, id)
    return this.#status('cancelled').send('')
  }

  async #completed(id: string): Promise<StoredFile | undefined> {
    try {
      return await this.#files.find(this.#accountId, id)
    } catch (thrown) {
      if (thrown instanceof NearfieldError && thrown.code === 'not_found') return undefined
      throw thrown
    }
  }

  #whole(file: StoredFile): FastifyReply {
    this.#note(file)
    this.#status('final')
    return this.#received(file.bytes).send({ file: encodeFile(file, `${this.#address()}/${this.#version}`) })
  }

  #received(bytes: number): FastifyReply {
    return this.#reply.header('x-goog-upload-size-received', String(bytes))
  }

  #status(status: 'active' | 'final' | 'cancelled'): FastifyReply {
    return this.#reply.header(statusHeader, status)
  }

  #refused(thrown: unknown): unknown {
    if (!(thrown instanceof NearfieldError)) return thrown
    const { code, details } = thrown
    if (typeof details.bytes === 'number') this.#received(details.bytes)
    if (code !== 'not_found') return thrown
    this.#status('cancelled')
    return new NearfieldError('not_found', 'There is no such upload. It may have been cancelled, or have expired. Start it again.', {
      cause: thrown,
    })
  }

  #kept<File extends object>(file: File) {
    return { ...file, keepMs: keptFor(this.#scope.config.jobs.files.keepMs) }
  }

  #note({ id, bytes }: StoredFile): void {
    this.#request.facts = { account: this.#accountId, file: id, bytes }
  }

  #address(): string {
    return publicAddressOf(this.#request, this.#scope.config.http.publicUrl)
  }
}

async function gathered(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}
