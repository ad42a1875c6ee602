import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// POST /v1/embed: every item has what is its own, fails alone, and only what was delivered is billed, once.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const long = 'word '.repeat(3_000)

function embed(body: unknown, key: string | null = server.key, headers: Record<string, string> = {}) {
  return server.post(body, {
    path: '/v1/embed',
    key: null,
    headers: { ...headers, ...(key !== null && { authorization: `Bearer ${key}` }) },
  })
}

async function vectorOf(input: string, fields: Record<string, unknown> = {}) {
  return (await server.post({ input, ...fields })).json().embedding.values
}

test('items keep their order and ids, and every one has its own dimensions, with the numbers of the Segmind dialect', async () => {
  const items = [
    { id: 'a', text: 'one' },
    { id: 'b', text: 'two', dimensions: 128 },
    { content: 'one', dimensions: 256, task_type: 'CLUSTERING' },
    { id: 'a', text: 'one', dimensions: 384 },
  ]
  const before = await server.books()
  const answer = await embed({ items })
  expect(answer.status, answer.text).toBe(200)
  expect((await server.books()).usage).toBe(before.usage + 1)
  const body = answer.json()
  expect(
    body.items.map(({ index, id, status, dimensions, tokens }: Record<string, unknown>) => ({ index, id, status, dimensions, tokens })),
  ).toEqual([
    { index: 0, id: 'a', status: 200, dimensions: 3_072, tokens: 3 },
    { index: 1, id: 'b', status: 200, dimensions: 128, tokens: 3 },
    { index: 2, id: undefined, status: 200, dimensions: 256, tokens: 3 },
    { index: 3, id: 'a', status: 200, dimensions: 384, tokens: 3 },
  ])
  for (const [index, { text, content, dimensions }] of items.entries()) {
    const reference = await server.post({ input: text ?? content, output_dimensionality: dimensions })
    expect(body.items[index].embedding).toEqual(reference.json().embedding.values)
    expect(body.items[index].space).toBe(reference.json().space)
  }
  expect(body).toMatchObject({ model: 'all-minilm-l6-v2', usage: { tokens: 12, cached_tokens: 0, delivered: 4, failed: 0 } })
  expect(body.warnings.join()).toContain('CLUSTERING had no effect')
  expect(answer.headers.get('x-nearfield-space')?.split(', ')).toEqual(body.items.map(({ space }: { space: string }) => space))
})

test('a bad item fails alone, with a problem that names it, and costs nothing', async () => {
  const items = [
    { id: 'empty', text: '' },
    { id: 'good', text: 'one' },
    { id: 'long', text: long, truncate: 'error' },
    { id: 'nothing' },
    { id: 'two names', text: 'a', content: 'a' },
    { id: 'too wide', text: 'a', dimensions: 4_000 },
    { id: 'shortened', text: long },
  ]
  const answer = await embed({ items, dimensions: 128 })
  expect(answer.status, answer.text).toBe(200)
  const body = answer.json()
  expect(
    body.items.map(({ id, status, error }: { id: string; status: number; error?: { code: string } }) => [id, status, error?.code]),
  ).toEqual([
    ['empty', 400, 'invalid_request'],
    ['good', 200, undefined],
    ['long', 400, 'input_too_long'],
    ['nothing', 400, 'invalid_request'],
    ['two names', 400, 'invalid_request'],
    ['too wide', 400, 'invalid_request'],
    ['shortened', 200, undefined],
  ])
  expect(body.items[2].error).toEqual({
    type: 'urn:nearfield:error:input_too_long',
    title: 'An input is longer than the model accepts.',
    status: 400,
    detail: expect.stringMatching(/^`items\[2\]` has 3000 tokens/),
    code: 'input_too_long',
    retryable: false,
    field: 'text',
  })
  expect(body.items[5].error).toMatchObject({ field: 'dimensions' })
  expect(body.items[1].embedding).toEqual(await vectorOf('one', { output_dimensionality: 128 }))
  expect(body.items[6]).toMatchObject({ truncated: true })
  expect(body.usage).toMatchObject({ delivered: 2, failed: 5, tokens: body.items[1].tokens + body.items[6].tokens })
  await expectBooksToBalance(server)
})

test('where no item can be embedded the answer is a problem that says why of each, and nothing is billed', async () => {
  const answer = await expectNothingBilled(server, () => embed({ items: [{ id: 'a', text: '' }, { text: long }], truncate: 'error' }))
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(answer.json()).toMatchObject({
    type: 'urn:nearfield:error:invalid_request',
    status: 400,
    items: [
      { index: 0, id: 'a', status: 400, error: { code: 'invalid_request' } },
      { index: 1, status: 400, error: { code: 'input_too_long' } },
    ],
  })
})

test('numbers come in the type and encoding asked for', async () => {
  const items = [{ text: 'one' }]
  const base64 = (await embed({ items, encoding_format: 'base64' })).json().items[0].embedding
  expect(base64).toBe(await vectorOf('one', { encoding_format: 'base64' }))
  const signs = (await embed({ items, output_dtype: 'ubinary', dimensions: 256 })).json().items[0]
  expect(signs.embedding).toEqual(await vectorOf('one', { output_dtype: 'ubinary', output_dimensionality: 256 }))
  expect(signs.dimensions).toBe(256)
})

test('a pinned space fails the items that are in another', async () => {
  const [{ space }] = (await embed({ items: [{ text: 'one', dimensions: 256 }] })).json().items
  const answer = await embed({ items: [{ text: 'one', dimensions: 256 }, { text: 'one' }] }, server.key, { 'x-nearfield-space': space })
  expect(answer.json().items).toMatchObject([
    { status: 200, space },
    { status: 409, error: { code: 'space_mismatch' } },
  ])
})

test.each([
  ['no items', { items: [] }, '`items` must be'],
  ['too many items', { items: Array.from({ length: 2_049 }, () => ({ text: 'a' })) }, 'at most 2048'],
  ['a field there is not', { items: [{ text: 'a', texts: 'b' }] }, '"texts" is not a field'],
  ['a task type there is not', { items: [{ text: 'a', task_type: 'POEM' }] }, '`items[0].task_type`'],
  ['a body that is not JSON', '{', 'JSON'],
])('400, a problem, and nothing is billed: %s', async (_what, body, words) => {
  const answer = await expectNothingBilled(server, () => embed(body))
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(answer.json()).toMatchObject({ status: 400, detail: expect.stringContaining(words) })
})

test('no key and a wrong key are 401, no credit is 402, no such model is 404, a plan used up is 429, all problems', async () => {
  const body = { items: [{ text: 'a' }] }
  const poor = await server.newKey({ credit: 1n })
  const few = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  for (let request = 0; request < 5; request++) expect((await embed(body, few.secret)).status).toBe(200)
  await expectNothingBilled(server, async () => {
    for (const [answer, code] of [
      [await embed(body, null), 'missing_api_key'],
      [await embed(body, 'nf_live_wrong'), 'invalid_api_key'],
      [await embed(body, poor.secret), 'insufficient_credits'],
      [await embed({ ...body, model: 'gpt-4' }), 'model_not_found'],
      [await embed(body, few.secret), 'rate_limited'],
      [await server.get('/v1/embed/more'), 'route_not_found'],
    ] as const) {
      expect(answer.json()).toMatchObject({ code, status: answer.status, type: `urn:nearfield:error:${code}` })
    }
  })
})

test('a request of items counts once', async () => {
  const { secret } = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  const answer = await embed({ items: [{ text: 'a' }, { text: 'b' }] }, secret)
  expect(answer.headers.get('ratelimit')).toContain('r=4;')
})
