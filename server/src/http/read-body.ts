import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parseStrictJson } from '../dialects/strict-json.ts'
import { NearfieldError } from '../errors.ts'
import { readFormFields } from './form-fields.ts'

/**
 * Bodies are collected as bytes, up to the size limit, and read here once they are complete: a request that is
 * refused for its headers never has its body parsed.
 */
export function readBodiesStrictly(app: FastifyInstance, depthMax: number): void {
  app.removeAllContentTypeParsers()
  for (const type of ['application/json', 'multipart/form-data']) {
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  }
  app.addHook('preValidation', (request, _reply, done) => {
    const body = request.body
    const wanted = request.routeOptions.config.body
    if (wanted === 'streamed' || (wanted === 'none' && isAbsent(body))) return done()
    if (!Buffer.isBuffer(body)) {
      // A body without a type never gets here, but an absent one does.
      done(mayCarryBody(request) ? new NearfieldError('invalid_content_type') : undefined)
      return
    }
    if (request.mediaType === 'multipart/form-data') {
      readFormFields(body, request.headers['content-type'] ?? '', request.routeOptions.schema?.body).then((fields) => {
        request.body = fields
        done()
      }, done)
      return
    }
    try {
      refuseOtherCharsets(request)
      request.body = parseStrictJson(body, depthMax)
    } catch (thrown) {
      done(thrown instanceof Error ? thrown : new NearfieldError('malformed_json'))
      return
    }
    done()
  })
}

function isAbsent(body: unknown): boolean {
  return body === undefined || (Buffer.isBuffer(body) && body.length === 0)
}

/** Refuses what would need inflating first, before the body is read. */
export function refuseEncodedBody(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new NearfieldError('invalid_content_type', 'Invalid content type: a Content-Encoding is not supported. Send the body as it is.')
  }
}

function mayCarryBody({ method }: FastifyRequest): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

/** JSON is UTF-8. Source: RFC 8259, 8.1. @throws NearfieldError `invalid_content_type` */
export function refuseOtherCharsets(request: FastifyRequest): void {
  const type = request.headers['content-type']
  if (type === undefined || type === 'application/json') return
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1]
  if (charset === undefined || /^utf-?8$/i.test(charset)) return
  throw new NearfieldError('invalid_content_type', 'Invalid content type: JSON must be UTF-8.')
}
