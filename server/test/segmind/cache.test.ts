import { afterAll, beforeAll, expect, test } from 'vitest'
import { embedPath, expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'

let server: TestServer
/** Without a cache: what every answer must equal. */
let plain: TestServer
beforeAll(async () => {
  ;[server, plain] = await Promise.all([
    startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: String(1024 * 1024) } }),
    startTestServer(),
  ])
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
})

const long = 'Nearfield keeps what it has computed, and asks for it by the ids of its tokens. '.repeat(60)

test('every size, encoding, output type and name is answered from one entry, with the bytes of a server without a cache', async () => {
  const bodies = [{ input: 'one entry' }, { input: ['one entry', long, 'another'] }]
  for (const body of bodies) await server.post(body)
  const forms = [
    { more: {} },
    { more: { output_dimensionality: 128 } },
    { more: { output_dimensionality: 768, output_dtype: 'int8' } },
    { more: { output_dimensionality: 256, output_dtype: 'ubinary', encoding_format: 'base64' } },
    { more: { encoding_format: 'base64' } },
    { more: {}, accept: 'text/csv' },
    { more: { output_dimensionality: 512 }, accept: 'application/octet-stream' },
    { more: {}, path: '/v1/all-minilm-l6-v2' },
  ]
  for (const { more, accept, path = embedPath } of forms) {
    for (const body of path === embedPath ? bodies : bodies.slice(0, 1)) {
      const options = { path, headers: { accept } }
      const [cached, computed] = await Promise.all([server.post({ ...body, ...more }, options), plain.post({ ...body, ...more }, options)])
      expect(cached.status).toBe(200)
      const tokens = accept === undefined ? cached.json().usageMetadata.promptTokenCount : Number(cached.headers.get('x-nearfield-tokens'))
      // All but what says how much of it was cached is the same, byte for byte.
      if (accept === undefined) {
        const [said, none] = [tokens, 0].map((count) => `"cachedContentTokenCount":${count}`)
        expect(cached.text).toContain(said)
        expect(cached.text.replace(said ?? '', none ?? '')).toBe(computed.text)
      } else {
        expect(cached.headers.get('x-nearfield-cached-tokens')).toBe(String(tokens))
        expect(cached.bytes.equals(computed.bytes)).toBe(true)
      }
    }
  }
})

test('cached tokens are billed at a tenth, and the usage row says how many there were', async () => {
  await server.post({ input: 'paid once' })
  const before = await server.books()
  const answer = await server.post({ input: ['paid once', 'new'] })
  const after = await server.books()
  const { promptTokenCount: tokens, cachedContentTokenCount: cached } = answer.json().usageMetadata
  expect(cached).toBeGreaterThan(2)
  const cost = BigInt(tokens - cached) * 150n + BigInt(cached) * 15n
  expect(before.balances - after.balances).toBe(cost)
  expect(Number(answer.headers.get('x-cost'))).toBe(Number(cost) / 1e9)
  const rows = await server.running.rooms.database.query(
    { name: 'test: usage', text: 'select tokens, cached_tokens, cost from usage where request_id = $1' },
    [answer.headers.get('x-request-id')],
  )
  expect(rows).toEqual([{ tokens, cached_tokens: cached, cost }])
  await expectBooksToBalance(server)
})

test('a request may leave the cache out', async () => {
  const cachedOf = async (control?: string) => {
    const answer = await server.post({ input: 'leave it out' }, { headers: { 'cache-control': control } })
    return answer.json().usageMetadata.cachedContentTokenCount > 0
  }
  expect(await cachedOf('no-store')).toBe(false)
  expect(await cachedOf()).toBe(false)
  expect(await cachedOf()).toBe(true)
  expect(await cachedOf('max-age=0, No-Cache')).toBe(false)
  expect(await cachedOf('no-store')).toBe(false)
  expect(await cachedOf('max-age=60')).toBe(true)
})

test('another account is not answered from the cache of the first', async () => {
  const body = { input: 'a private text' }
  await server.post(body)
  const { secret } = await server.newKey({ credit: 1_000_000_000n })
  expect((await server.post(body, { key: secret })).json().usageMetadata.cachedContentTokenCount).toBe(0)
  expect((await server.post(body)).json().usageMetadata.cachedContentTokenCount).toBeGreaterThan(0)
})
