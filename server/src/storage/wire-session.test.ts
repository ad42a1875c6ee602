import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type WireRequest, WireSession } from './wire-session.ts'

function message(type: string, body: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header.write(type)
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

function startup(code: number, body: string): Buffer {
  const bytes = Buffer.alloc(8 + body.length)
  bytes.writeInt32BE(bytes.length, 0)
  bytes.writeInt32BE(code, 4)
  bytes.write(body, 8)
  return bytes
}

const answered = new Set(['S', 'Q'])

test('however the bytes arrive, a statement comes out whole, from its first message to the one that asks for an answer', () => {
  const messages = fc.array(fc.tuple(fc.constantFrom('P', 'B', 'D', 'E', 'S', 'Q', 'C'), fc.uint8Array({ maxLength: 40 })), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
      const encoded = sent.map(([type, body]) => message(type, body))
      const stream = Buffer.concat([startup(196_608, 'user\0postgres\0\0'), ...encoded])
      const session = new WireSession()
      const requests: WireRequest[] = []
      let offset = 0
      for (const cut of [...cuts, stream.length]) {
        requests.push(...session.receive(stream.subarray(offset, offset + cut)))
        offset += cut
      }
      const expected: Buffer[][] = []
      let group: Buffer[] = []
      for (const [position, bytes] of encoded.entries()) {
        group.push(bytes)
        if (answered.has(sent[position]?.[0] ?? '')) {
          expected.push(group)
          group = []
        }
      }
      const [first, ...rest] = requests
      expect(first?.kind).toBe('startup')
      expect(rest.map((request) => ('bytes' in request ? Buffer.from(request.bytes).toString('hex') : request.kind))).toEqual(
        expected.map((bytes) => Buffer.concat(bytes).toString('hex')),
      )
    }),
  )
})

test('a request for encryption is answered before the startup, and the end of a session ends it', () => {
  const session = new WireSession()
  const kinds = (bytes: Buffer) => session.receive(bytes).map((request) => request.kind)
  expect(kinds(startup(80_877_103, ''))).toEqual(['encryption'])
  expect(kinds(startup(196_608, 'user\0postgres\0\0'))).toEqual(['startup'])
  expect(kinds(message('X', new Uint8Array()))).toEqual(['end'])
})
