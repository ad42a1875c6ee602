import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// POST /v1/similarity and POST /v1/rerank: built on an embedding call, so billed like one and no other way.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: '0' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const texts = ['A cat sits on the mat.', 'A feline rests on a rug.', 'The stock market fell on Monday.', 'Äpfel und Birnen', 'a']
const similarity = (body: unknown, key?: string) => server.post(body, { path: '/v1/similarity', ...(key !== undefined && { key }) })
const rerank = (body: unknown, key?: string) => server.post(body, { path: '/v1/rerank', ...(key !== undefined && { key }) })

/** Vectors of the embedding call, from their bytes. */
async function vectorsOf(input: readonly string[], model: string): Promise<Float32Array[]> {
  const { bytes, headers } = await server.post({ input }, { path: `/v1/${model}`, headers: { accept: 'application/octet-stream' } })
  const dimensions = Number(headers.get('x-nearfield-dimensions'))
  return input.map((_, row) => Float32Array.from({ length: dimensions }, (_, at) => bytes.readFloatLE((row * dimensions + at) * 4)))
}

const dot = (left: Float32Array, right: Float32Array) => left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0)

test('a matrix holds the plain dot products of the vectors of the embedding call, to the last bit', async () => {
  const one = fc.record({
    model: fc.constantFrom('gemini-embedding-001', 'all-minilm-l6-v2'),
    inputs: fc.array(
      fc.oneof(
        fc.constantFrom(...texts),
        fc.string({ minLength: 1, maxLength: 40 }).map((text) => `x${text}`),
      ),
      {
        minLength: 1,
        maxLength: 6,
      },
    ),
  })
  await fc.assert(
    fc.asyncProperty(one, async ({ model, inputs }) => {
      const answer = await similarity({ model, inputs })
      expect(answer.status, answer.text).toBe(200)
      const vectors = await vectorsOf(inputs, model)
      const expected = vectors.map((left, row) =>
        vectors.map((right, column) => (inputs[row] === inputs[column] ? 1 : Math.min(1, dot(left, right)))),
      )
      expect(answer.json().scores).toEqual(expected)
    }),
    { numRuns: 25 },
  )
})

test('pairs and a source with sentences get the scores that a matrix of their texts holds', async () => {
  const [first = '', second = '', third = ''] = texts
  const matrix = (await similarity({ inputs: [first, second, third] })).json().scores
  expect(
    (
      await similarity({
        pairs: [
          [first, second],
          [third, first],
          [second, second],
        ],
      })
    ).json().scores,
  ).toEqual([matrix[0][1], matrix[2][0], 1])
  for (const name of ['source_sentence', 'query'])
    expect((await similarity({ [name]: first, sentences: [second, third] })).json().scores).toEqual([matrix[0][1], matrix[0][2]])
  expect(matrix[0][1]).toBeGreaterThan(matrix[0][2])
})

test('a text given several times is embedded and billed once', async () => {
  const before = await server.books()
  const answer = await similarity({
    pairs: [
      ['one', 'two'],
      ['two', 'one'],
      ['one', 'one'],
    ],
  })
  const after = await server.books()
  expect(answer.json().usage).toEqual({ prompt_tokens: 6, total_tokens: 6, cached_tokens: 0, texts: 2 })
  expect(before.balances - after.balances).toBe(6n * 150n)
  expect(after.usage).toBe(before.usage + 1)
  expect(Number(answer.headers.get('x-cost'))).toBe(900e-9)
  expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  expect(answer.headers.get('x-nearfield-space')).toBe(answer.json().space)
  await expectBooksToBalance(server)
})

test('a ranking is the order of the cosines, the earlier of equal documents first', async () => {
  const documents = ['Cats sleep a lot.', { text: 'Banks lend money.' }, 'Cats sleep a lot.', 'Felines nap all day.']
  const answer = await rerank({ query: 'How much do cats sleep?', documents, return_documents: true })
  expect(answer.status, answer.text).toBe(200)
  const { id, results, scored_by, meta, usage } = answer.json()
  expect(results.map(({ index }: { index: number }) => index)).toEqual([0, 2, 3, 1])
  expect(results[0].relevance_score).toBe(results[1].relevance_score)
  expect(results.map(({ document }: { document: { text: string } }) => document.text)[3]).toBe('Banks lend money.')
  expect(id).toBe(answer.headers.get('x-request-id'))
  expect(scored_by).toBe('embedding_cosine')
  expect(usage).toMatchObject({ texts: 4, total_tokens: meta.billed_units.input_tokens })
  const sentences = documents.map((document) => (typeof document === 'string' ? document : document.text))
  const { scores } = (await similarity({ query: 'How much do cats sleep?', sentences, task_type: 'RETRIEVAL_QUERY' })).json()
  for (const { index, relevance_score } of results) expect(relevance_score).toBe(Math.max(0, scores[index]))
})

test('top_n names the best alone, documents stay at home unless asked for, every score is from 0 to 1', async () => {
  const answer = await rerank({ query: 'cats', documents: texts, top_n: 2 })
  expect(answer.json().results).toHaveLength(2)
  expect(Object.keys(answer.json().results[0])).toEqual(['index', 'relevance_score'])
  const all = (await rerank({ query: 'cats', documents: texts, top_n: 99 })).json().results
  expect(all).toHaveLength(texts.length)
  for (const { relevance_score } of all) expect(relevance_score >= 0 && relevance_score <= 1).toBe(true)
  expect(all.slice(0, 2)).toEqual(answer.json().results)
})

test('a shortened text is named by its place', async () => {
  const long = 'word '.repeat(2_100)
  expect((await rerank({ query: 'a', documents: ['b', long] })).json().truncated).toEqual(['documents[1]'])
  expect(
    (
      await similarity({
        pairs: [
          ['a', long],
          ['b', 'c'],
        ],
      })
    ).json().truncated,
  ).toEqual(['pairs[0][1]'])
})

test.each([
  ['nothing to compare', similarity, {}, 'exactly one of `inputs`, `pairs`'],
  ['two forms at once', similarity, { inputs: ['a'], pairs: [['a', 'b']] }, 'exactly one of'],
  ['sentences without a source', similarity, { sentences: ['a'] }, 'belong together'],
  ['two names of the source', similarity, { source_sentence: 'a', query: 'a', sentences: ['b'] }, 'two names of the same field'],
  ['a pair of three', similarity, { pairs: [['a', 'b', 'c']] }, '`pairs[0]`'],
  ['a matrix that is too large', similarity, { inputs: Array.from({ length: 129 }, () => 'a') }, 'at most 128'],
  ['too many pairs', similarity, { pairs: Array.from({ length: 1_025 }, () => ['a', 'b']) }, 'at most 1024'],
  [
    'a text without a token, by its place',
    similarity,
    {
      pairs: [
        ['a', 'b'],
        ['c', '\u0000'],
      ],
    },
    '`pairs[1][1]` is empty',
  ],
  ['a text that is too long', similarity, { inputs: ['a', 'word '.repeat(2_100)], truncate: 'error' }, '`inputs[1]` has 2100 tokens'],
  ['no query', rerank, { documents: ['a'] }, 'query'],
  ['no documents', rerank, { query: 'a', documents: [] }, '`documents`'],
  ['too many documents', rerank, { query: 'a', documents: Array.from({ length: 1_001 }, () => 'a') }, 'at most 1000'],
  ['a document with more fields', rerank, { query: 'a', documents: [{ text: 'a', title: 'b' }] }, '`documents[0]` must be'],
  ['an empty document, by its place', rerank, { query: 'a', documents: ['b', '\u0000'] }, '`documents[1]` is empty'],
  ['a top_n of nothing', rerank, { query: 'a', documents: ['b'], top_n: 0 }, '`top_n`'],
  ['an unknown field', rerank, { query: 'a', documents: ['b'], rank_fields: ['text'] }, 'rank_fields'],
])('400, and nothing is billed: %s', async (_name, call, body, words) => {
  const answer = await expectNothingBilled(server, () => call(body))
  expect(answer.status, answer.text).toBe(400)
  expect(answer.json()).toEqual({ error: expect.stringContaining(words) })
})

test('nothing is billed without a 200: no key, no such model, no credit, no scope', async () => {
  const body = { inputs: ['a', 'b'] }
  const poor = await server.newKey({ credit: 100n })
  const other = await server.newKey({ credit: 1_000_000n, scopes: ['admin'] })
  await expectNothingBilled(server, async () => {
    expect((await server.post(body, { path: '/v1/similarity', key: null })).status).toBe(401)
    expect((await similarity({ ...body, model: 'no-such-model' })).status).toBe(404)
    expect((await similarity(body, poor.secret)).status).toBe(406)
    expect((await similarity(body, other.secret)).status).toBe(403)
    expect((await rerank({ query: 'a', documents: ['b'] }, poor.secret)).status).toBe(406)
  })
})
