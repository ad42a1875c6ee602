import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { standInCaller } from '../../test/stand-in-services.ts'
import { idempotencyKeyOf } from './idempotency-key.ts'

const { principal } = standInCaller

interface Facts {
  readonly key?: string
  readonly route?: string
  readonly params?: unknown
  readonly body?: unknown
}

function keyOf({ key = 'key', route = '/v1/:slug', params = {}, body = {} }: Facts, accountId = 'acct_1') {
  const request = { headers: { 'idempotency-key': key }, routeOptions: { url: route }, params, body }
  const found = idempotencyKeyOf(request as unknown as FastifyRequest, { ...principal, accountId })
  return { digest: found?.digest.toString('hex'), fingerprint: found?.fingerprint.toString('hex') }
}

/** The same value with the fields of every object the other way round. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, turned(field)]),
  )
}

// Minus nought is written as nought.
const json = fc.json().map((text): unknown => JSON.parse(JSON.stringify(JSON.parse(text))))

test('a request is known by its content whatever the order of its fields', () => {
  fc.assert(
    fc.property(json, (body) => {
      expect(keyOf({ body: turned(body) })).toEqual(keyOf({ body }))
    }),
  )
})

test('two requests that differ have two fingerprints', () => {
  fc.assert(
    fc.property(json, json, (one, other) => {
      expect(keyOf({ body: one }).fingerprint === keyOf({ body: other }).fingerprint).toBe(isDeepStrictEqual(one, other))
    }),
  )
  expect(keyOf({ params: { slug: 'a' } }).fingerprint).not.toBe(keyOf({ params: { slug: 'b' } }).fingerprint)
  // What is left out and what is null, a list and its only item, a number and its text are not the same.
  const bodies = [{}, { a: null }, { a: [1] }, { a: 1 }, { a: '1' }, [1], [[1]], ['a,b'], ['a', 'b'], { 'a":1,"b': 2 }, { a: 1, b: 2 }]
  expect(new Set(bodies.map((body) => keyOf({ body }).fingerprint)).size).toBe(bodies.length)
})

test('a key of another account, or of another route, is another key', () => {
  const digests = [keyOf({}), keyOf({}, 'acct_2'), keyOf({ route: '/v1/rerank' }), keyOf({ key: 'key2' })].map(({ digest }) => digest)
  expect(new Set(digests).size).toBe(digests.length)
  expect(keyOf({ body: { a: 1 } }).digest).toBe(keyOf({}).digest)
})

test('the same request under another key has another fingerprint', () => {
  expect(keyOf({ key: 'key2' }).fingerprint).not.toBe(keyOf({}).fingerprint)
})

test.each(['', ' ', 'a b', 'ä', 'a\tb', 'x'.repeat(256), '\u007f'])('%j is no key', (key) => {
  expect(() => keyOf({ key })).toThrow(expect.objectContaining({ code: 'invalid_request' }))
})
