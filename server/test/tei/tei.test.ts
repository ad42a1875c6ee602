import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Text Embeddings Inference: bare vectors, scores and tokens, and refusals with TEI's statuses and types.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const long = 'word '.repeat(3_000)

function call(path: string, body: unknown, key: string | null = server.key) {
  return server.post(body, { path, key: null, headers: key === null ? {} : { authorization: `Bearer ${key}` } })
}

test('a text gets a list of one vector, a list one for each, with the numbers of the Segmind dialect', async () => {
  const inputs = ['one', 'two', 'one']
  const answer = await call('/embed', { inputs })
  expect(answer.status, answer.text).toBe(200)
  const reference = (await server.post({ input: inputs })).json().embeddings
  expect(answer.json()).toEqual(reference.map(({ values }: { values: number[] }) => values))
  expect((await call('/embed', { inputs: 'one' })).json()).toEqual([reference[0].values])
  expect(answer.headers.get('x-nearfield-model')).toBe('all-minilm-l6-v2')
  expect(answer.headers.get('x-nearfield-tokens')).toBe('9')
})

test('the address may name the model, and is an endpoint itself', async () => {
  const vectors = (await call('/tei/all-minilm-l6-v2/embed', { inputs: 'a' })).json()
  expect(vectors[0]).toHaveLength(384)
  expect((await call('/tei/all-minilm-l6-v2', { inputs: 'a' })).json()).toEqual(vectors)
})

test('dimensions, a prompt and null are honoured', async () => {
  const answer = await call('/embed', { inputs: 'a', dimensions: 256, prompt_name: 'query', normalize: true, truncate: null })
  const [vector] = answer.json()
  expect(vector).toHaveLength(256)
  expect(Math.hypot(...vector)).toBeCloseTo(1, 6)
  expect(answer.headers.get('x-nearfield-warnings')).toContain('RETRIEVAL_QUERY')
})

test('a long text is refused, or shortened where truncate says so, and then the answer says so', async () => {
  const answer = await call('/embed', { inputs: ['a', long], truncate: true })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-nearfield-truncated')).toBe('1')
})

test('similarity gives a cosine for each sentence', async () => {
  const answer = await call('/similarity', { inputs: { source_sentence: 'a cat', sentences: ['a cat', 'a kitten', 'the stock market'] } })
  expect(answer.status, answer.text).toBe(200)
  const [same, near, far] = answer.json()
  expect(same).toBeCloseTo(1, 6)
  expect(near).toBeGreaterThan(far)
})

test('tokenize gives the pieces of the vocabulary, free', async () => {
  const answer = await expectNothingBilled(server, () => call('/tokenize', { inputs: 'Unhappily yours' }))
  const [tokens] = answer.json()
  expect(tokens[0]).toEqual({ id: 101, text: '[CLS]', special: true, start: null, stop: null })
  expect(tokens.at(-1).text).toBe('[SEP]')
  const words = tokens.filter(({ special }: { special: boolean }) => !special).map(({ text }: { text: string }) => text)
  expect(words.join(' ').replaceAll(' ##', '')).toBe('unhappily yours')
  const [bare] = (await call('/tokenize', { inputs: ['Unhappily yours'], add_special_tokens: false })).json()
  expect(bare).toEqual(tokens.slice(1, -1))
})

test('info tells the model and its limits', async () => {
  const answer = await server.get('/tei/all-minilm-l6-v2/info', { authorization: `Bearer ${server.key}` })
  expect(answer.json()).toMatchObject({
    model_id: 'all-minilm-l6-v2',
    model_type: { embedding: { pooling: 'mean' } },
    max_client_batch_size: 2_048,
    auto_truncate: false,
  })
  expect((await server.get('/info', { authorization: `Bearer ${server.key}` })).json().served_model_name).toBe('gemini-embedding-001')
})

test.each([
  ['no text', '/embed', { inputs: [] }, 400, 'Empty', '`inputs` cannot be empty'],
  ['an empty text', '/embed', { inputs: ['a', ''] }, 400, 'Empty', '`inputs` cannot be empty'],
  ['a text without a token', '/embed', { inputs: ' \u0000' }, 422, 'Validation', 'Input 0 is empty'],
  ['too many texts', '/embed', { inputs: Array(2_049).fill('a') }, 422, 'Validation', 'batch size 2049 > maximum allowed batch size 2048'],
  ['a text that is too long', '/embed', { inputs: long }, 422, 'Validation', 'Input 0 has 3000 tokens'],
  ['vectors of any length', '/embed', { inputs: 'a', normalize: false }, 422, 'Validation', 'normalize: false'],
  ['a cut at the beginning', '/embed', { inputs: 'a', truncation_direction: 'Left' }, 422, 'Validation', 'Right'],
  ['a prompt there is not', '/embed', { inputs: 'a', prompt_name: 'poem' }, 422, 'Validation', 'query, document'],
  ['too many dimensions', '/embed', { inputs: 'a', dimensions: 4_000 }, 422, 'Validation', '3072'],
  ['a field there is not', '/embed', { inputs: 'a', input: 'a' }, 422, 'Validation', '"input" is not a field'],
  ['a body that is not JSON', '/embed', '{', 400, 'Validation', 'JSON'],
  ['no sentences', '/similarity', { inputs: { source_sentence: 'a', sentences: [] } }, 400, 'Empty', '`sentences` cannot be empty'],
  ['a sentence too long', '/similarity', { inputs: { source_sentence: 'a', sentences: [long] } }, 422, 'Validation', 'inputs.sentences[0]'],
  ['a model there is not', '/tei/gpt-4/embed', { inputs: 'a' }, 404, 'Validation', 'gpt-4'],
  ['a route there is not', '/tei/gpt-4/rerank', { inputs: 'a' }, 404, 'Validation', 'no such endpoint'],
])('refused, and nothing is billed: %s', async (_what, path, body, status, type, words) => {
  const answer = await expectNothingBilled(server, () => call(path, body))
  expect(answer.json()).toEqual({ error: expect.stringContaining(words), error_type: type })
  expect(answer.status).toBe(status)
})

test('no key and a wrong key are 401, no credit is 402, a plan used up is 429 Overloaded with a time to come back', async () => {
  const poor = await server.newKey({ credit: 1n })
  const few = await server.newKey({ plan: 'free', credit: 1_000_000_000n })
  for (let request = 0; request < 5; request++) expect((await call('/embed', { inputs: 'a' }, few.secret)).status).toBe(200)
  await expectNothingBilled(server, async () => {
    for (const key of [null, 'nf_live_wrong']) expect((await call('/embed', { inputs: 'a' }, key)).status).toBe(401)
    expect((await call('/embed', { inputs: 'a' }, poor.secret)).status).toBe(402)
    const answer = await call('/embed', { inputs: 'a' }, few.secret)
    expect(answer.status).toBe(429)
    expect(answer.json().error_type).toBe('Overloaded')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
