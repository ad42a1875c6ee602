import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { NearfieldError } from '../errors.ts'
import { awaitSlowBody, type Patience } from './slow-bodies.ts'

/** The bytes of a body while it arrives, however long that takes. @throws NearfieldError `receive_timeout`, `client_closed` */
export async function* arrivingBody(raw: IncomingMessage, patience: Patience): AsyncGenerator<Buffer> {
  const bytes = new PassThrough()
  using _waiting = awaitSlowBody(raw, patience, (error) => bytes.destroy(error))
  raw.pipe(bytes)
  try {
    yield* bytes
  } finally {
    raw.unpipe(bytes)
  }
}

/** The same, of at most so many bytes. @throws NearfieldError `payload_too_large`, `receive_timeout`, `client_closed` */
export async function* limitedBody(raw: IncomingMessage, bytesMax: number, patience: Patience): AsyncGenerator<Buffer> {
  let length = 0
  for await (const piece of arrivingBody(raw, patience)) {
    length += piece.length
    if (length > bytesMax) throw new NearfieldError('payload_too_large', `The request body may have ${bytesMax} bytes here.`)
    yield piece
  }
}
