import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const text = 'Segmind provides fast and affordable AI model inference APIs for image, video, audio, and text generation.'
const norm = (values: number[]) => Math.hypot(...values)

test('a string gets one unit vector of 3072 finite numbers, and says which model and space made it', async () => {
  const answer = await server.post({ input: text, task_type: 'RETRIEVAL_DOCUMENT' })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  const body = answer.json()
  expect(Object.keys(body)).toEqual(['embedding', 'usageMetadata', 'model', 'space', 'truncated', 'warnings'])
  expect(body.embedding.values).toHaveLength(3072)
  expect(body.embedding.values.every(Number.isFinite)).toBe(true)
  expect(norm(body.embedding.values)).toBeCloseTo(1, 6)
  expect(body).toMatchObject({ model: 'all-minilm-l6-v2', space: answer.headers.get('x-nearfield-space'), truncated: false })
  expect(body.warnings).toContainEqual(expect.stringContaining('RETRIEVAL_DOCUMENT had no effect'))
})

test('it is billed exactly what its headers say, once, under its request id', async () => {
  const before = await server.books()
  const answer = await server.post({ input: text })
  const after = await server.books()
  const tokens = answer.json().usageMetadata.promptTokenCount
  const cost = before.balances - after.balances
  expect(cost).toBe(BigInt(tokens) * 150n)
  expect(Number(answer.headers.get('x-cost'))).toBe(Number(cost) / 1e9)
  expect(answer.headers.get('x-cost')).toMatch(/^\d+\.\d{9}$/)
  expect(answer.headers.get('x-remaining-credits')).toBe(
    `${after.balances / 1_000_000_000n}.${String(after.balances % 1_000_000_000n).padStart(9, '0')}`,
  )
  expect(after).toEqual({
    balances: before.balances - cost,
    entries: before.entries + 1,
    entriesSum: before.entriesSum - cost,
    usage: before.usage + 1,
  })
  const rows = await server.running.rooms.database.query(
    { name: 'test: usage', text: 'select tokens, inputs, cost from usage where request_id = $1' },
    [answer.headers.get('x-request-id')],
  )
  expect(rows).toEqual([{ tokens, inputs: 1, cost }])
  await expectBooksToBalance(server)
})

test('the documented and the additive headers are all there', async () => {
  const { headers } = await server.post({ input: text })
  expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26}$/)
  expect(Number(headers.get('x-generation-time'))).toBeGreaterThan(0)
  expect(headers.get('x-rate-limit-reset-at-utc')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  expect(headers.get('server-timing')).toMatch(
    /^queue;dur=[\d.]+, tokenize;dur=[\d.]+, infer;dur=[\d.]+, encode;dur=[\d.]+, commit;dur=[\d.]+$/,
  )
  expect(headers.get('x-nearfield-space')).toMatch(/^all-minilm-l6-v2\/(int8|fp32)-[0-9a-f]{8}\/padded-3072$/)
})

test('a list gets one vector a text, in order, each with the bits it gets alone', async () => {
  const texts = ['one', text, 'three words here', 'one', 'été 日本 🎉 \u0000 \ud800']
  const list = await server.post({ input: texts })
  expect(list.status).toBe(200)
  const { embeddings, truncatedInputs } = list.json()
  expect(embeddings).toHaveLength(texts.length)
  expect(truncatedInputs).toEqual([])
  for (const [index, one] of texts.entries()) {
    expect((await server.post({ input: one })).json().embedding.values, `text ${index}`).toEqual(embeddings[index].values)
  }
})

test('prompt is another name of input', async () => {
  expect((await server.post({ prompt: text })).json().embedding).toEqual((await server.post({ input: text })).json().embedding)
})

test('every length from 128 to 3072 can be asked for and is a unit vector', async () => {
  for (const dimensions of [128, 256, 383, 384, 385, 768, 1536, 3072]) {
    const { values } = (await server.post({ input: text, output_dimensionality: dimensions })).json().embedding
    expect(values).toHaveLength(dimensions)
    expect(norm(values)).toBeCloseTo(1, 6)
  }
})

test('all eight task types and the unspecified one are accepted', async () => {
  const names = ['TASK_TYPE_UNSPECIFIED', 'RETRIEVAL_QUERY', 'RETRIEVAL_DOCUMENT', 'SEMANTIC_SIMILARITY', 'CLASSIFICATION', 'CLUSTERING']
  for (const name of [...names, 'QUESTION_ANSWERING', 'FACT_VERIFICATION', 'CODE_RETRIEVAL_QUERY']) {
    expect((await server.post({ input: 'a', task_type: name })).status, name).toBe(200)
  }
})

test('the parameters of the image template change nothing and are named in warnings', async () => {
  const template = { width: 256, height: 1024, steps: 1, guidance_scale: 7.5, negative_prompt: '', scheduler: 'DDIM', seed: -1 }
  const answer = await server.post({ input: text, ...template })
  expect(answer.status).toBe(200)
  for (const name of Object.keys(template)) expect(answer.json().warnings.join(), name).toContain(name)
  expect(answer.json().embedding).toEqual((await server.post({ input: text })).json().embedding)
})

test('a text over 2048 tokens is shortened and says so', async () => {
  const long = 'word '.repeat(2_100)
  const answer = (await server.post({ input: ['short', long] })).json()
  expect(answer).toMatchObject({ truncated: true, truncatedInputs: [1] })
  const alone = await server.post({ input: long })
  expect(alone.json()).toMatchObject({ truncated: true, usageMetadata: { promptTokenCount: 2_050 } })
})

test('plain text, CSV and float32 bytes hold the very numbers of the JSON', async () => {
  const input = ['one', text]
  const { embeddings } = (await server.post({ input })).json()
  const rows: number[][] = embeddings.map((embedding: { values: number[] }) => embedding.values)
  for (const [accept, separator] of [
    ['text/plain', ' '],
    ['text/csv', ','],
  ] as const) {
    const answer = await server.post({ input }, { headers: { accept } })
    expect(answer.headers.get('content-type')).toBe(`${accept}; charset=utf-8`)
    expect(
      answer.text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(separator).map(Number)),
    ).toEqual(rows)
  }
  const { bytes, headers } = await server.post({ input }, { headers: { accept: 'application/octet-stream' } })
  expect(headers.get('content-type')).toBe('application/octet-stream')
  expect(headers.get('x-nearfield-dimensions')).toBe('3072')
  expect(bytes.length).toBe(2 * 3072 * 4)
  for (const [row, values] of rows.entries()) {
    expect(values.map(Math.fround)).toEqual(values.map((_, index) => bytes.readFloatLE((row * 3072 + index) * 4)))
  }
})

test('every output type, as numbers, base64 and bytes, is the float vector in other numbers', async () => {
  const size = { input: text, output_dimensionality: 256 }
  const float: number[] = (await server.post(size)).json().embedding.values
  const whole = float.map((value) => Math.round(value * 127) + 0)
  const bits = float.map((value) => (value > 0 ? '1' : '0')).join('')
  const packed = Array.from({ length: 32 }, (_, byte) => Number.parseInt(bits.slice(byte * 8, byte * 8 + 8), 2))
  const expected = { int8: whole, uint8: whole.map((value) => value + 128), ubinary: packed, binary: packed.map((byte) => byte - 128) }
  for (const [output_dtype, values] of Object.entries(expected)) {
    const answer = (await server.post({ ...size, output_dtype })).json()
    expect(answer, output_dtype).toMatchObject({ embedding: { values }, output_dtype, reading: expect.any(String) })
    const bytes = Buffer.from(values.map((value) => value & 0xff))
    const encoded = (await server.post({ ...size, output_dtype, encoding_format: 'base64' })).json()
    expect(encoded, output_dtype).toMatchObject({
      embedding: { values: bytes.toString('base64') },
      output_dtype,
      encoding_format: 'base64',
    })
    const raw = await server.post({ ...size, output_dtype }, { headers: { accept: 'application/octet-stream' } })
    expect(raw.bytes, output_dtype).toEqual(bytes)
    expect(raw.headers.get('x-nearfield-output-dtype')).toBe(output_dtype)
  }
  const base64 = Buffer.from((await server.post({ ...size, encoding_format: 'base64' })).json().embedding.values, 'base64')
  expect(float.map(Math.fround)).toEqual(float.map((_, index) => base64.readFloatLE(index * 4)))
})

test('a multipart form with the same fields gets the same vector', async () => {
  const form = new FormData()
  form.set('input', text)
  form.set('output_dimensionality', '768')
  const sent = new Response(form)
  const type = sent.headers.get('content-type') ?? ''
  const answer = await server.post(new Uint8Array(await sent.arrayBuffer()), { headers: { 'content-type': type } })
  expect(answer.status, answer.text).toBe(200)
  expect(answer.json().embedding).toEqual((await server.post({ input: text, output_dimensionality: 768 })).json().embedding)
})

test('the model answers under its own name too', async () => {
  const answer = await server.post({ input: text }, { path: '/v1/all-minilm-l6-v2' })
  expect(answer.json().embedding.values).toHaveLength(384)
})

test('get-user-credits gives the balance in dollars and costs nothing', async () => {
  const before = await server.books()
  const answer = await server.get('/v1/get-user-credits')
  expect(answer.status).toBe(200)
  expect(Object.keys(answer.json())).toEqual(['credits', 'free-credits'])
  expect(answer.json()['free-credits']).toBeCloseTo(Number(before.balances) / 1e9, 9)
  expect(await server.books()).toEqual(before)
})

test('the server says it lives and is ready, without a key', async () => {
  expect((await server.get('/healthz', {})).json()).toEqual({ status: 'ok' })
  expect((await server.get('/readyz', {})).json()).toEqual({ status: 'ok' })
})

test('the answer to a long list is sent while it is written, whole and in order', async () => {
  const texts = Array.from({ length: 90 }, (_, index) => `${text} ${index % 45}`)
  const answer = await server.post({ input: texts })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-length')).toBeNull()
  const { embeddings } = answer.json()
  expect(embeddings).toHaveLength(90)
  for (let index = 0; index < 45; index++) expect(embeddings[index]).toEqual(embeddings[index + 45])
  const alone = await server.post({ input: texts[7] })
  expect(embeddings[7]).toEqual(alone.json().embedding)
})
