import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { newSecret, secretHint, secretText, signedHeaders } from './signature.ts'

const timestamp = Math.floor(Date.now() / 1_000)
const anySecret = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => Buffer.from(bytes))

test('whatever is signed is accepted by the library of Standard Webhooks', () => {
  fc.assert(
    fc.property(anySecret, fc.json(), fc.uuid(), (secret, body, id) => {
      const headers = signedHeaders({ id, timestamp, body }, [secret])
      expect(new Webhook(secretText(secret)).verify(body, headers)).toEqual(JSON.parse(body))
    }),
  )
})

test.each([
  ['another body', { body: '{"n":2}' }],
  ['another id', { 'webhook-id': 'evt_other' }],
  ['another time', { 'webhook-timestamp': String(timestamp - 1) }],
])('a signature is for one message: %s is not accepted', (_what, changes) => {
  const secret = newSecret(32)
  const { body, ...headers } = { body: '{"n":1}', ...signedHeaders({ id: 'evt_a', timestamp, body: '{"n":1}' }, [secret]), ...changes }
  expect(() => new Webhook(secretText(secret)).verify(body, headers)).toThrow('No matching signature')
})

test('while a secret is being replaced, receivers with either secret accept, and those with another do not', () => {
  const [newer, older] = [newSecret(32), newSecret(32)]
  const headers = signedHeaders({ id: 'evt_a', timestamp, body: '{}' }, [newer, older])
  for (const secret of [newer, older]) expect(new Webhook(secretText(secret)).verify('{}', headers)).toEqual({})
  expect(() => new Webhook(secretText(newSecret(32))).verify('{}', headers)).toThrow('No matching signature')
})

test('a secret has 24 to 64 bytes, and its hint is four characters of it', () => {
  expect(() => newSecret(23)).toThrow('bug')
  expect(() => newSecret(65)).toThrow('bug')
  const secret = randomBytes(32)
  expect(Buffer.from(secretText(secret).replace('whsec_', ''), 'base64')).toEqual(secret)
  expect(secretHint(secret)).toMatch(/^whsec_….{4}$/)
})
