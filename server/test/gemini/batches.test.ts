import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Answer, expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// Batches in Google's words, by raw HTTP: every field of an operation, every spelling of a body, every refusal.

const inlineBytesMax = 5_000_000
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    environment: {
      NEARFIELD_BATCH_LINES_MAX: '1000',
      NEARFIELD_BATCH_INLINE_LINES_MAX: '1100',
      NEARFIELD_BATCH_INLINE_BYTES_MAX: String(inlineBytesMax),
    },
  })
})
afterAll(async () => {
  await expectBooksToBalance(server)
  await server[Symbol.asyncDispose]()
})

const model = 'gemini-embedding-001'
const content = (text: string) => ({ parts: [{ text }] })
const google = (key = server.key) => ({ 'x-goog-api-key': key })
const post = (path: string, body: unknown, key = server.key) => server.post(body, { path, key: null, headers: google(key) })
const create = (batch: unknown, { version = 'v1beta', key = server.key } = {}) =>
  post(`/${version}/models/${model}:asyncBatchEmbedContent`, { batch }, key)
const inline = (requests: readonly object[], more: object = {}) => ({ inputConfig: { requests: { requests } }, ...more })
const get = (path: string, key = server.key) => server.get(path, google(key))
const idOf = (answer: Answer) => {
  expect(answer.status, answer.text).toBe(200)
  return String(answer.json().name)
}
const finished = (name: string, version = 'v1beta') =>
  vi.waitUntil(
    async () => {
      const answer = await get(`/${version}/${name}`)
      return answer.json().done === true ? answer : undefined
    },
    { timeout: 60_000, interval: 20 },
  )
const upload = async (lines: string) => {
  const headers = { ...google(), 'x-goog-upload-protocol': 'raw', 'content-type': 'jsonl' }
  return String((await server.post(lines, { path: '/upload/v1beta/files', key: null, headers })).json().file.name)
}
async function send(method: string, path: string, body?: string) {
  const response = await fetch(server.url + path, { method, headers: google(), ...(body !== undefined && { body }) })
  return { status: response.status, body: await response.json() }
}

test('an operation has every field from its start to its end, under both versions', async () => {
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  for (const version of ['v1beta', 'v1']) {
    const requests = [
      { request: { content: content('a'), outputDimensionality: 128 }, metadata: { number: 1, nested: { of: ['mine'] } } },
      { request: { content: content('') } },
    ]
    const made = await create(inline(requests, { displayName: 'Mine', priority: '-7', model: `models/${model}` }), { version })
    const metadata = {
      '@type': 'type.googleapis.com/google.ai.generativelanguage.v1main.EmbedContentBatch',
      ...{ model: `models/${model}`, name: expect.stringMatching(/^batches\/batch_[0-9a-z]{26}$/), displayName: 'Mine', priority: '-7' },
    }
    expect(made.json()).toEqual({
      ...{ name: made.json().metadata.name, done: false },
      metadata: {
        ...{ ...metadata, createTime: at, updateTime: at, state: 'BATCH_STATE_PENDING' },
        batchStats: { requestCount: '0', successfulRequestCount: '0', failedRequestCount: '0', pendingRequestCount: '0' },
      },
    })
    const done = (await finished(idOf(made), version)).json()
    const reference = await post(`/v1beta/models/${model}:embedContent`, requests[0]?.request)
    const output = {
      inlinedResponses: {
        inlinedResponses: [
          {
            metadata: requests[0]?.metadata,
            response: { tokenCount: '3', embedding: reference.json().embedding },
            headers: expect.objectContaining({ 'x-nearfield-space': reference.headers.get('x-nearfield-space') }),
          },
          { error: expect.objectContaining({ code: 3, status: 'INVALID_ARGUMENT', message: expect.stringContaining('empty Part') }) },
        ],
      },
    }
    expect(done).toEqual({
      ...{ name: made.json().name, done: true },
      metadata: {
        ...{ ...metadata, createTime: at, updateTime: at, endTime: at, state: 'BATCH_STATE_SUCCEEDED', output },
        batchStats: { requestCount: '2', successfulRequestCount: '1', failedRequestCount: '1', pendingRequestCount: '0' },
      },
      response: { '@type': expect.stringContaining('EmbedContentBatchOutput'), ...output },
    })
  }
})

test('the bytes of a vector are those of the route', async () => {
  const request = { content: content('hello world') }
  const { text } = await finished(idOf(await create(inline([{ request }]))))
  const [bytes = ''] = /\[[-\d.,e]+\]/.exec((await post(`/v1beta/models/${model}:embedContent`, request)).text) ?? []
  expect(bytes.length).toBeGreaterThan(1_000)
  expect(text.split(bytes)).toHaveLength(3)
})

test('a body means the same in either spelling, with null as left out', async () => {
  const file = await upload(JSON.stringify({ key: 'a', request: { content: content('a'), output_dimensionality: 128 } }))
  const bodies = [
    { inputConfig: { file_name: file }, displayName: 'd' },
    { input_config: { fileName: file, requests: null }, display_name: 'd', priority: 3 },
    { inputConfig: { fileName: file.replace('files/', 'files/file-') }, displayName: 'd', name: 'batches/none', state: 'ANY' },
  ]
  for (const batch of bodies) {
    const { metadata, response } = (await finished(idOf(await create(batch)))).json()
    expect(metadata).toMatchObject({ displayName: 'd', inputConfig: { fileName: file }, output: { responsesFile: expect.any(String) } })
    expect(response.responsesFile).toBe(metadata.output.responsesFile)
    const answers = await get(`/v1beta/${response.responsesFile}:download?alt=media`)
    expect(JSON.parse(answers.text)).toMatchObject({ key: 'a', response: { tokenCount: '3' } })
    expect((await get(`/v1beta/${response.responsesFile}`)).json()).toMatchObject({ source: 'GENERATED', mimeType: 'application/jsonl' })
  }
  const without = (await finished(idOf(await create({ inputConfig: { fileName: file } })))).json()
  expect(without.metadata).not.toHaveProperty('displayName')
  expect(without.metadata.priority).toBe('0')
})

test.each([
  [undefined, 'batch'],
  [{}, 'batch.input_config'],
  [inline([]), 'batch.input_config'],
  [{ inputConfig: { fileName: 'files/a', requests: { requests: [] } } }, 'batch.input_config'],
  [inline([{ request: { content: content('a'), foo: 1 } }]), 'batch.input_config.requests.requests[0].request'],
  [inline([{ request: { content: content('a') }, metadata: 3 }]), 'batch.input_config.requests.requests[0].metadata'],
  [inline([{ request: { content: content('a') } }], { priority: 'high' }), 'batch.priority'],
  [inline([{ request: { content: content('a') } }], { priority: '9223372036854775808' }), 'batch.priority'],
  [inline([{ request: { content: content('a') } }], { model: 'models/other' }), 'batch.model'],
  [inline([{ request: { content: content('a') } }], { displayName: 'a\u0000b' }), 'batch.display_name'],
])('the batch %j is refused at %s', async (batch, field) => {
  const { error } = (await expectNothingBilled(server, () => create(batch))).json()
  expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', details: [{ fieldViolations: [{ field }] }] })
})

test('a body may be written over many lines, and one request may stand for a list of one', async () => {
  const requests = [
    { request: { content: content('a "quoted" [text], {odd}\n'), outputDimensionality: 128 } },
    { request: { content: content('b'), outputDimensionality: 128 } },
  ]
  const path = `/v1/models/${model}:asyncBatchEmbedContent`
  const headers = { ...google(), 'content-type': 'application/json; charset=utf-8' }
  const wide = JSON.stringify({ batch: inline(requests) }, undefined, 2).replaceAll('\n', '\r\n')
  const answersTo = async (body: string) =>
    (await finished(idOf(await server.post(body, { path, key: null, headers })))).json().response.inlinedResponses.inlinedResponses
  const values = async ({ request }: { request: object }) =>
    (await post(`/v1/models/${model}:embedContent`, request)).json().embedding.values
  const answers = await answersTo(wide)
  for (const [index, one] of requests.entries()) expect(answers[index].response.embedding.values).toEqual(await values(one))
  const single = { batch: { input_config: { requests: { requests: requests[1] } } } }
  expect((await answersTo(JSON.stringify(single)))[0].response.embedding.values).toEqual(answers[1].response.embedding.values)
})

test.each([
  ['', 'is empty'],
  ['{"batch":', 'do not match'],
  ['[]', 'Root element must be a message'],
  ['{"batch":{"batch":1},"batch":2}', 'gives the key "batch" twice'],
  ['{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"content":{"parts":[{"text":"a"}]}}},]}}}}', 'requests[1], is empty'],
  ['{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"a":1,"a":2}}]}}}}', 'requests[0], gives the key "a" twice'],
  [
    '{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"content":{"parts":[{"text":"a\nb"}]}}}]}}}}',
    'requests[0], is not valid JSON',
  ],
])('the body %s is refused', async (body, words) => {
  const headers = { ...google(), 'content-type': 'application/json' }
  const answer = await server.post(body, { path: `/v1/models/${model}:asyncBatchEmbedContent`, key: null, headers })
  expect(answer.json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', message: expect.stringContaining(words) })
})

test('a model there is not is refused at once, and a file of nothing makes a batch that failed', async () => {
  const unknown = await post('/v1beta/models/none:asyncBatchEmbedContent', { batch: inline([{ request: { content: content('a') } }]) })
  expect(unknown.json().error).toMatchObject({ code: 404, message: expect.stringContaining('not supported for asyncBatchEmbedContent') })
  const { metadata, error, response } = (await finished(idOf(await create({ inputConfig: { fileName: await upload('\n') } })))).json()
  expect(metadata).toMatchObject({ state: 'BATCH_STATE_FAILED', endTime: expect.any(String) })
  expect(error).toMatchObject({ code: 3, status: 'INVALID_ARGUMENT', message: 'The file has no lines.' })
  expect(response).toBeUndefined()
})

test('more requests than a batch may have make one that failed, more than a call may hold and a body that is too long none at all', async () => {
  const many = (length: number) => Array.from({ length }, () => ({ request: { content: content('a') } }))
  const { error } = (await finished(idOf(await create(inline(many(1_001)))))).json()
  expect(error).toMatchObject({ code: 3, message: expect.stringContaining('1000 lines') })
  const refused = (await create(inline(many(1_101)))).json().error
  expect(refused).toMatchObject({ status: 'INVALID_ARGUMENT', message: expect.stringContaining('1100 requests') })
  const long = inline([{ request: { content: content('a'.repeat(inlineBytesMax)) } }])
  expect((await create(long)).json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
})

test('an inline batch may be larger than the bodies of other routes, and all its answers come, in order', async () => {
  const requests = Array.from({ length: 600 }, (_, index) => ({
    request: { content: content(`${index} ${'x'.repeat(7_000)}`), outputDimensionality: 128 },
    metadata: { index },
  }))
  const batch = inline(requests)
  expect(JSON.stringify(batch).length).toBeGreaterThan(4 * 1024 * 1024)
  const answers = (await finished(idOf(await create(batch)))).json().response.inlinedResponses.inlinedResponses
  expect(answers.map(({ metadata }: { metadata: { index: number } }) => metadata.index)).toEqual(requests.map((_, index) => index))
  const reference = await post(`/v1beta/models/${model}:embedContent`, requests[599]?.request)
  expect(answers[599].response.embedding).toEqual(reference.json().embedding)
})

test('lists have no inline answers and no empty token, and take what Google’s take', async () => {
  const { secret } = await server.newKey({ credit: 1_000_000_000n })
  const names: string[] = []
  for (let number = 0; number < 3; number++)
    names.push(idOf(await create(inline([{ request: { content: content('a') } }]), { key: secret })))
  const first = (await get('/v1beta/batches?pageSize=2&filter=x&returnPartialSuccess=true&prettyPrint=false', secret)).json()
  const second = (await get(`/v1/batches?page_size=2&page_token=${first.nextPageToken}`, secret)).json()
  expect([...first.operations, ...second.operations].map(({ name }) => name)).toEqual(names.toSorted().toReversed())
  expect(second).not.toHaveProperty('nextPageToken')
  expect(JSON.stringify(first)).not.toContain('inlinedResponses')
  for (const query of ['pageSize=-1', 'pageToken=eA']) expect((await get(`/v1beta/batches?${query}`, secret)).status).toBe(400)
})

test('cancelling and deleting take a body or none, and a batch cannot be changed', async () => {
  const name = idOf(await create(inline([{ request: { content: content('a') } }])))
  expect(await send('POST', `/v1beta/${name}%3Acancel`)).toEqual({ status: 200, body: {} })
  expect((await finished(name)).json().metadata.state).toMatch(/CANCELLED|SUCCEEDED/)
  const headers = { ...google(), 'content-type': 'application/json' }
  const bad = await server.post({ surprise: 1 }, { path: `/v1/${name}:cancel`, key: null, headers })
  expect(bad.json().error.message).toContain('Unknown name "surprise"')
  expect(await send('PATCH', `/v1/${name}:updateEmbedContentBatch?updateMask=priority`)).toMatchObject({
    status: 405,
    body: { error: { code: 405, status: 'UNIMPLEMENTED', message: expect.stringContaining('cannot be changed') } },
  })
  expect(await send('DELETE', `/v1/${name}`)).toEqual({ status: 200, body: {} })
  expect(await send('GET', `/v1/${name}`)).toMatchObject({ status: 404, body: { error: { status: 'NOT_FOUND' } } })
})

test('batches of the two dialects are none of each other’s business', async () => {
  const name = idOf(await create(inline([{ request: { content: content('a') } }])))
  const bearer = { authorization: `Bearer ${server.key}` }
  expect((await server.get(`/v1/${name}`, bearer)).json().error).toMatchObject({ type: 'invalid_request_error' })
  expect((await server.get('/v1/batches', bearer)).json()).toMatchObject({ object: 'list', data: [] })
  // A method after a name is Google’s whatever the key looks like.
  expect((await server.post({}, { path: `/v1/${name}:cancel`, key: null, headers: bearer })).text).toMatch(/^\{\}|FAILED_PRECONDITION/)
})

test('the requests and answers of an inline batch are no files of their owner, and go with it', async () => {
  const { secret } = await server.newKey({ credit: 1_000_000_000n })
  const name = idOf(await create(inline([{ request: { content: content('a') } }]), { key: secret }))
  const { key } = { key: secret }
  await vi.waitUntil(async () => (await get(`/v1beta/${name}`, key)).json().done, { timeout: 60_000 })
  expect((await get('/v1beta/files', key)).json().files).toEqual([])
  const stored = async () => {
    const text =
      'select count(*)::int as files from files where hidden and expires_at > now() and account_id = (select account_id from batches where id = $1)'
    return (
      await server.running.rooms.database.query<{ files: number }>({ name: 'test: hidden files', text }, [name.slice('batches/'.length)])
    )[0]?.files
  }
  expect(await stored()).toBe(1)
  const response = await fetch(`${server.url}/v1beta/${name}`, { method: 'DELETE', headers: google(key) })
  expect(response.status).toBe(200)
  expect(await stored()).toBe(0)
})
