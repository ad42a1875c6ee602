import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'

// Files in Google's words, by raw HTTP: whatever breaks off or is sent twice, a file has the bytes that were sent, or is not there.

const fileBytesMax = 4_194_304
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_FILE_BYTES_MAX: String(fileBytesMax) } })
})
afterAll(() => server[Symbol.asyncDispose]())

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
  readonly key?: string | null
}

async function send(address: string, { method = 'GET', headers = {}, body, key = server.key }: Sent = {}) {
  const all = { ...(key !== null && { 'x-goog-api-key': key }), ...headers }
  const sent = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined)
  const url = address.startsWith('http') ? address : server.url + address
  const response = await fetch(url, { method, headers: sent, ...(body !== undefined && { body }) })
  const bytes = Buffer.from(await response.arrayBuffer())
  // biome-ignore lint/suspicious/noExplicitAny: the wire has no types
  const json = (): any => JSON.parse(bytes.toString())
  const uploadStatus = response.headers.get('x-goog-upload-status')
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    json,
    uploadStatus,
    received: Number(response.headers.get('x-goog-upload-size-received')),
  }
}

const starting = { 'content-type': 'application/json', 'x-goog-upload-protocol': 'resumable', 'x-goog-upload-command': 'start' }
const start = (file: object = {}, headers: Sent['headers'] = {}, more: Omit<Sent, 'headers'> & { path?: string } = {}) =>
  send(more.path ?? '/upload/v1beta/files', {
    method: 'POST',
    headers: { ...starting, ...headers },
    body: JSON.stringify({ file }),
    ...more,
  })
/** The address of a new upload. */
const session = async (file: object = {}, headers: Sent['headers'] = {}) => {
  const started = await start(file, headers)
  expect([started.status, started.uploadStatus]).toEqual([200, 'active'])
  return String(started.headers.get('x-goog-upload-url'))
}
const chunk = (url: string, offset: number, body: string | Uint8Array<ArrayBuffer>, command = 'upload', key: string | null = server.key) =>
  send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-goog-upload-command': command, 'x-goog-upload-offset': String(offset) },
    body,
    key,
  })
const last = 'upload, finalize'
const contentOf = async ({ name }: { name: string }) => (await send(`/v1beta/${name}:download?alt=media`)).bytes.toString()

test('a file in two chunks has every field, and its bytes come back, under both versions', async () => {
  for (const version of ['v1', 'v1beta']) {
    const started = await start(
      { displayName: 'Two chunks', mimeType: 'jsonl', sizeBytes: '10' },
      { 'x-goog-upload-header-content-length': '10', 'x-goog-upload-header-content-type': 'jsonl' },
      { path: `/upload/${version}/files` },
    )
    const url = started.headers.get('x-goog-upload-url') ?? ''
    expect(url).toMatch(new RegExp(`^${server.url}/upload/${version}/files\\?upload_id=`))
    expect(await chunk(url, 0, '{"a":')).toMatchObject({ status: 200, uploadStatus: 'active', received: 5 })
    const done = await chunk(url, 5, '"bc"}', last)
    expect(done).toMatchObject({ status: 200, uploadStatus: 'final', received: 10 })
    const { file } = done.json()
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(file).toEqual({
      ...{ name: expect.stringMatching(/^files\/[0-9a-z]{26}$/), displayName: 'Two chunks', mimeType: 'jsonl', sizeBytes: '10' },
      ...{ createTime: at, updateTime: at, expirationTime: at, state: 'ACTIVE', source: 'UPLOADED' },
      sha256Hash: createHash('sha256').update('{"a":"bc"}').digest('base64'),
      ...{ uri: `${server.url}/${version}/${file.name}`, downloadUri: `${server.url}/${version}/${file.name}:download?alt=media` },
    })
    expect((await send(file.uri)).json()).toEqual(file)
    expect((await send(file.downloadUri)).bytes.toString()).toBe('{"a":"bc"}')
    expect((await send(`/${version}/${file.name}%3Adownload?alt=media`)).headers.get('content-length')).toBe('10')
  }
})

test('every answer says how the upload stands, a refusal too: over before it began, or still going on', async () => {
  const refused = await Promise.all([
    start({}, {}, { key: 'nf_live_wrong' }),
    start({}, { 'x-goog-upload-protocol': 'multipart' }),
    start({ mimeType: 1 }),
    send('/upload/v1beta/files', { method: 'POST', headers: { 'x-goog-upload-protocol': 'raw' }, body: '', key: null }),
  ])
  for (const { status, uploadStatus } of refused) {
    expect(status).toBeGreaterThanOrEqual(400)
    expect(uploadStatus).toBe('final')
  }
  const url = await session()
  expect(await chunk(url, 0, 'abc', 'upload', null)).toMatchObject({ status: 403, uploadStatus: 'active' })
  expect(await chunk(url, 0, 'abc', last)).toMatchObject({ status: 200, uploadStatus: 'final' })
})

test('a chunk may be sent again, whole or overlapping, and so may the last one', async () => {
  const url = await session()
  await chunk(url, 0, 'abcd')
  expect((await chunk(url, 0, 'abcd')).received).toBe(4)
  expect((await chunk(url, 2, 'cdef')).received).toBe(6)
  const done = await chunk(url, 6, 'gh', last)
  const again = await chunk(url, 6, 'gh', last)
  expect(again).toMatchObject({ status: 200, uploadStatus: 'final' })
  expect(again.json()).toEqual(done.json())
  expect((await chunk(url, 8, 'more', last)).json().error).toMatchObject({ code: 400, status: 'FAILED_PRECONDITION' })
  expect(await contentOf(done.json().file)).toBe('abcdefgh')
})

test('of a chunk that broke off some arrived: the server says how much, and goes on from there or from the start of the chunk', async () => {
  const bytes = new Uint8Array(Buffer.alloc(2_000_000, 'some text that is repeated '))
  const url = await session({}, { 'x-goog-upload-header-content-length': String(bytes.length) })
  const headers = {
    'x-goog-api-key': server.key,
    'x-goog-upload-command': last,
    'x-goog-upload-offset': '0',
    'content-length': bytes.length,
  }
  const outgoing = request(url, { method: 'POST', headers })
  outgoing.on('error', () => undefined)
  outgoing.write(bytes.subarray(0, 1_000_000))
  const query = () => send(url, { method: 'POST', headers: { 'x-goog-upload-command': 'query' } })
  await vi.waitUntil(async () => (await query()).received > 0, { timeout: 30_000 })
  const closed = new Promise((resolve) => outgoing.once('close', resolve))
  outgoing.destroy()
  await closed
  const { received, uploadStatus } = await query()
  expect(uploadStatus).toBe('active')
  expect(received).toBeLessThanOrEqual(1_000_000)
  const done = await vi.waitUntil(
    async () => {
      const answer = await chunk(url, 0, bytes, last)
      return answer.uploadStatus === 'final' ? answer : undefined
    },
    { timeout: 30_000 },
  )
  expect(done.json().file.sha256Hash).toBe(createHash('sha256').update(bytes).digest('base64'))
  expect(await query()).toMatchObject({ uploadStatus: 'final', received: bytes.length })
})

test('what is wrong with a chunk is said, and how far the file came', async () => {
  const url = await session({ sizeBytes: '6' })
  await chunk(url, 0, 'abc')
  const gap = await chunk(url, 5, 'f')
  expect(gap).toMatchObject({ status: 400, uploadStatus: 'active', received: 3 })
  expect(gap.json().error).toMatchObject({ status: 'FAILED_PRECONDITION', message: expect.stringContaining('has 3 bytes so far') })
  expect((await chunk(url, 3, 'd', last)).json().error.message).toContain('4 bytes, and 6 were announced')
  expect((await chunk(url, 4, 'efg')).json().error.message).toContain('announced with 6 bytes')
  expect((await chunk(url, 0, 'a', 'uplaod')).json().error.message).toContain('X-Goog-Upload-Command')
  expect((await send(url, { method: 'POST', headers: { 'x-goog-upload-command': 'upload' }, body: 'a' })).json().error.message).toContain(
    'X-Goog-Upload-Offset',
  )
  const other = await server.newKey({})
  expect(await chunk(url, 0, 'abc', 'upload', other.secret)).toMatchObject({ status: 404, uploadStatus: 'cancelled' })
  expect((await chunk(url, 4, 'ef', last)).uploadStatus).toBe('final')
})

test('an upload is finalized by itself, or cancelled and gone', async () => {
  const url = await session()
  await chunk(url, 0, 'abc')
  expect((await send(url, { method: 'POST', headers: { 'x-goog-upload-command': 'finalize' } })).json().file.sizeBytes).toBe('3')
  const other = await session()
  await chunk(other, 0, 'abc')
  const cancel = { method: 'POST', headers: { 'x-goog-upload-command': 'cancel' } }
  expect(await send(other, cancel)).toMatchObject({ status: 200, uploadStatus: 'cancelled' })
  expect(await chunk(other, 0, 'abc', last)).toMatchObject({ status: 404, uploadStatus: 'cancelled' })
  expect((await send(url, cancel)).json().error.status).toBe('FAILED_PRECONDITION')
})

test('a file is not there until it is whole', async () => {
  const url = await session({ name: 'files/half' })
  await chunk(url, 0, 'abc')
  for (const method of ['GET', 'DELETE']) expect((await send('/v1beta/files/half', { method })).status).toBe(404)
  const names = (await send('/v1beta/files?pageSize=100')).json().files.map(({ name }: { name: string }) => name)
  expect(names).not.toContain('files/half')
  const create = { batch: { inputConfig: { fileName: 'files/half' } } }
  const path = '/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent'
  expect((await server.post(create, { path, key: null, headers: { 'x-goog-api-key': server.key } })).status).toBe(404)
})

test('a name is its account’s own; taken, it is refused; an upload that broke off or a deleted file gives it up', async () => {
  const upload = async (content: string, key = server.key) => {
    const started = await start({ name: 'files/my-file' }, {}, { key })
    return started.status === 200 ? chunk(started.headers.get('x-goog-upload-url') ?? '', 0, content, last, key) : started
  }
  await start({ name: 'my-file' })
  expect((await upload('one')).json().file.name).toBe('files/my-file')
  expect((await upload('two')).json().error).toMatchObject({ status: 'FAILED_PRECONDITION', message: expect.stringContaining('my-file') })
  expect(await contentOf({ name: 'files/my-file' })).toBe('one')
  const other = await server.newKey({})
  expect((await upload('of another', other.secret)).status).toBe(200)
  expect(
    (await send('/v1beta/files/my-file', { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: '{}' })).json(),
  ).toEqual({})
  expect((await send('/v1beta/files/my-file')).status).toBe(404)
  expect((await upload('three')).status).toBe(200)
  expect(await contentOf({ name: 'files/my-file' })).toBe('three')
})

test.each([
  [{ name: 'files/My_File' }, 'file.name'],
  [{ name: `files/${'a'.repeat(41)}` }, 'file.name'],
  [{ name: 'files/-a' }, 'file.name'],
  [{ name: 'files/file-abc' }, 'file.name'],
  [{ name: `files/${'0'.repeat(26)}` }, 'file.name'],
  [{ displayName: 'a'.repeat(513) }, 'file.display_name'],
  [{ displayName: 'a\u0000b' }, 'file.display_name'],
  [{ mimeType: 'a\nb' }, 'file.mime_type'],
  [{ sizeBytes: '-1' }, 'file.size_bytes'],
  [{ sizeBytes: 'many' }, 'file.size_bytes'],
  [{ surprise: 1 }, 'file'],
])('an upload of %j is refused at %s', async (file, field) => {
  const { error } = (await start(file)).json()
  expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT', details: [{ fieldViolations: [{ field }] }] })
})

test('what was announced must agree, and be allowed', async () => {
  expect((await start({ sizeBytes: '5' }, { 'x-goog-upload-header-content-length': '6' })).status).toBe(400)
  expect((await start({}, { 'x-goog-upload-header-content-length': String(fileBytesMax + 1) })).json().error.message).toContain(
    String(fileBytesMax),
  )
  const url = await session()
  const refused = await chunk(url, 0, new Uint8Array(fileBytesMax + 1), last)
  expect([400, 413]).toContain(refused.status)
})

test('the file may be the body of one call', async () => {
  const headers = { 'x-goog-upload-protocol': 'raw', 'content-type': 'text/csv', 'x-goog-upload-file-name': 'a.csv' }
  const done = await send('/upload/v1/files', { method: 'POST', headers, body: 'a,b\n' })
  expect(done).toMatchObject({ status: 200, uploadStatus: 'final' })
  expect(done.json().file).toMatchObject({ mimeType: 'text/csv', sizeBytes: '4' })
  expect(await contentOf(done.json().file)).toBe('a,b\n')
  expect((await send('/upload/v1/files', { method: 'POST', body: 'a' })).json().error.message).toContain('X-Goog-Upload-Protocol')
})

test('a key in the address signs the chunks too, as the address of the upload carries it', async () => {
  const started = await start({}, {}, { path: `/upload/v1beta/files?key=${server.key}`, key: null })
  const done = await chunk(started.headers.get('x-goog-upload-url') ?? '', 0, 'a', last, null)
  expect(done.uploadStatus).toBe('final')
  expect((await start({}, {}, { key: null })).json().error).toMatchObject({ code: 403, status: 'PERMISSION_DENIED' })
  expect((await start({}, {}, { key: 'nf_live_wrong' })).json().error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' })
})

test('files are listed page by page, and the last page has no token', async () => {
  const { secret } = await server.newKey({})
  for (const content of ['a', 'b', 'c']) {
    const started = await start({}, {}, { key: secret })
    await chunk(started.headers.get('x-goog-upload-url') ?? '', 0, content, last, secret)
  }
  const pages: string[][] = []
  let token = ''
  do {
    const page = (await send(`/v1/files?pageSize=2&pageToken=${token}&$alt=json`, { key: secret })).json()
    pages.push(page.files.map(({ name }: { name: string }) => name))
    token = page.nextPageToken ?? ''
    expect('nextPageToken' in page).toBe(token !== '')
  } while (token !== '')
  expect(pages.map(({ length }) => length)).toEqual([2, 1])
  expect(new Set(pages.flat()).size).toBe(3)
  for (const query of ['pageSize=-1', 'pageSize=x', 'pageToken=eA'])
    expect((await send(`/v1/files?${query}`, { key: secret })).json().error.status).toBe('INVALID_ARGUMENT')
})

test('under /v1 the same path is OpenAI’s for its client, and a file of one is a file of the other', async () => {
  const bearer = { authorization: `Bearer ${server.key}` }
  const done = await chunk(await session({}, { 'x-goog-upload-file-name': 'shared.jsonl' }), 0, 'abc', last)
  const id = `file-${done.json().file.name.slice('files/'.length)}`
  expect((await send(`/v1/files/${id}`, { key: null, headers: bearer })).json()).toMatchObject({
    object: 'file',
    filename: 'shared.jsonl',
    bytes: 3,
  })
  expect((await send(`/v1/files/${id}`)).json().name).toBe(done.json().file.name)
  expect((await send('/v1/files', { key: null, headers: bearer })).json().object).toBe('list')
  // A method after a name is Google’s whatever the key looks like.
  const downloaded = await send(`/v1/${done.json().file.name}:download?alt=media`, { key: null, headers: bearer })
  expect(downloaded.bytes.toString()).toBe('abc')
})

test('a key that may not call models may not store files either', async () => {
  const { secret } = await server.newKey({ scopes: ['metrics'] })
  for (const path of ['/v1beta/files', '/v1beta/batches']) expect((await send(path, { key: secret })).status).toBe(403)
  expect((await start({}, {}, { key: secret })).status).toBe(403)
})
