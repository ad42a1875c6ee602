import type { FastifyReply } from 'fastify'
import { BodyPieces } from '../dialects/body-pieces.ts'
import type { WireReply } from '../dialects/dialect.ts'
import { bodyStream } from './body-stream.ts'

export function sendWire(reply: FastifyReply, { status, headers, body }: WireReply): FastifyReply {
  return reply
    .code(status)
    .headers(headers)
    .send(body instanceof BodyPieces ? bodyStream(body) : body)
}
