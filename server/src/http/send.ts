import type { FastifyReply } from 'fastify'
import type { WireReply } from '../dialects/dialect.ts'

export function sendWire(reply: FastifyReply, wire: WireReply): FastifyReply {
  return reply.code(wire.status).headers(wire.headers).send(wire.body)
}
