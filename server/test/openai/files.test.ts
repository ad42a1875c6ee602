import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'
import { formOf, type Part } from './multipart.ts'

// Files in OpenAI's words: every byte comes back, whatever is wrong with a form is said, and what was not stored whole is not there.

const fileBytesMax = 1_048_576
const batchBytesMax = 524_288
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    environment: { NEARFIELD_FILE_BYTES_MAX: String(fileBytesMax), NEARFIELD_BATCH_INPUT_BYTES_MAX: String(batchBytesMax) },
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const file: Part = { name: 'file', filename: 'in.jsonl', content: '{"a":1}\n' }
const purpose: Part = { name: 'purpose', content: 'batch' }

async function send(method: string, path: string, { key = server.key, body, headers = {} }: Sent = {}) {
  const bearer = { authorization: `Bearer ${key}`, ...headers }
  const response = await fetch(server.url + path, { method, headers: bearer, ...(body !== undefined && { body }) })
  const bytes = Buffer.from(await response.arrayBuffer())
  // biome-ignore lint/suspicious/noExplicitAny: the wire has no types
  const json = (): any => JSON.parse(bytes.toString())
  return { status: response.status, headers: response.headers, bytes, json }
}
interface Sent {
  readonly key?: string
  readonly body?: string | Uint8Array<ArrayBuffer>
  readonly headers?: Record<string, string>
}

const upload = (parts: readonly Part[], path = '/v1/files', key = server.key) => {
  const { body, type } = formOf(parts)
  return send('POST', path, { body, key, headers: { 'content-type': type } })
}
const idsOf = async () => (await send('GET', '/v1/files')).json().data.map(({ id }: { id: string }) => id)
/** Files of all accounts, complete or not, that have not expired. */
const filesStored = async () => {
  const text = 'select count(*)::int as files from files where expires_at > now()'
  const [row] = await server.running.rooms.database.query<{ files: number }>({ name: 'test: files', text }, [])
  return row?.files
}

test.each([
  ['the fields before the file', [purpose, file]],
  ['the fields behind the file', [file, purpose]],
])('a file is stored with %s', async (_what, parts) => {
  const made = await upload(parts)
  expect(made.status).toBe(200)
  const { id, created_at, expires_at, ...rest } = made.json()
  expect(rest).toEqual({ object: 'file', bytes: 8, filename: 'in.jsonl', purpose: 'batch', status: 'processed', status_details: null })
  expect(id).toMatch(/^file-[0-9a-z]{26}$/)
  expect(expires_at - created_at).toBe(30 * 86_400)
  expect((await send('GET', `/v1/files/${id}`)).json()).toEqual(made.json())
  expect(await idsOf()).toContain(id)
})

test.each(['/v1', '/openai/v1', '/v1beta/openai'])('under %s a file of any bytes comes back as it was', async (base) => {
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256))
  const name = 'Grüße "x";\\y.bin'
  const { id, filename } = (await upload([purpose, { ...file, content, filename: encodeURI('x.bin') }], `${base}/files`)).json()
  const back = await send('GET', `${base}/files/${id}/content`, { headers: { accept: 'application/binary' } })
  expect(back.bytes.equals(content)).toBe(true)
  expect(filename).toBe('x.bin')
  expect(Object.fromEntries(back.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-length': '300000',
    'content-disposition': "attachment; filename*=UTF-8''x.bin",
    'x-content-type-options': 'nosniff',
  })
  expect((await upload([purpose, { ...file, filename: name }])).json().filename).toContain('Grüße')
  const gone = await send('DELETE', `${base}/files/${id}`)
  expect(gone.json()).toEqual({ id, object: 'file', deleted: true })
  expect((await send('GET', `${base}/files/${id}/content`)).status).toBe(404)
})

test('a file is kept as long as it is said, from an hour to 30 days', async () => {
  const keep = (seconds: string, anchor = 'created_at') =>
    upload([file, purpose, { name: 'expires_after[anchor]', content: anchor }, { name: 'expires_after[seconds]', content: seconds }])
  for (const seconds of [3_600, 2_592_000]) {
    const { created_at, expires_at } = (await keep(String(seconds))).json()
    expect(expires_at - created_at).toBe(seconds)
  }
  for (const wrong of ['3599', '2592001', '1e9', '', '-1', '3600.5']) expect((await keep(wrong)).status).toBe(400)
  expect((await keep('3600', 'last_active_at')).json().error.param).toBe('expires_after[anchor]')
  expect((await upload([file, purpose, { name: 'expires_after[seconds]', content: '3600' }])).status).toBe(400)
})

const refusals: readonly (readonly [string, readonly Part[], object])[] = [
  ['no file', [purpose], { param: 'file', message: expect.stringContaining('lacks the part `file`') }],
  ['no purpose', [file], { param: 'purpose', message: expect.stringContaining('must be one of') }],
  ['another purpose', [file, { ...purpose, content: 'fun' }], { param: 'purpose' }],
  ['a purpose that only the server gives', [file, { ...purpose, content: 'batch_output' }], { param: 'purpose' }],
  ['two files', [file, purpose, file], { param: 'file', message: expect.stringContaining('two files') }],
  ['a file that is a text', [{ name: 'file', content: 'a' }, purpose], { param: 'file' }],
  ['a file under another name', [{ ...file, name: 'data' }, purpose], { message: expect.stringContaining('"data"') }],
  ['a field there is not', [file, purpose, { name: 'n', content: '1' }], { message: expect.stringContaining('"n" is not a field') }],
  ['a field twice', [purpose, purpose, file], { message: expect.stringContaining('twice') }],
  ['a field twice before a large file', [purpose, purpose, { ...file, content: Buffer.alloc(400_000, 97) }], {}],
  ['a huge field', [{ ...purpose, content: 'b'.repeat(100_000) }, file], { message: expect.stringContaining('longer than 1024') }],
  ['a field called __proto__', [file, purpose, { name: '__proto__', content: 'x' }], { message: expect.stringContaining('not a field') }],
  ['very many parts without a name', [file, purpose, ...Array.from({ length: 99 }, () => ({ name: 'x"; name="\r', content: '' }))], {}],
  ['very many fields', Array.from({ length: 40 }, (_, n) => ({ name: `f${n}`, content: '' })), {}],
  ['a name of the file with a zero byte', [{ ...file, filename: 'a\0b' }, purpose], { param: 'file' }],
  ['a name of the file that is too long', [{ ...file, filename: 'a'.repeat(256) }, purpose], { param: 'file' }],
  ['nothing at all', [], {}],
]

test.each(refusals)('400 for %s, and nothing is stored', async (_what, parts, expected) => {
  const before = await filesStored()
  const answer = await upload(parts)
  expect(answer.json().error).toMatchObject({ type: 'invalid_request_error', ...expected })
  expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([400, 'false'])
  expect(await filesStored()).toBe(before)
})

test.each([
  ['no boundary', 'multipart/form-data', formOf([file, purpose]).body],
  ['another boundary', 'multipart/form-data; boundary=other', formOf([file, purpose]).body],
  ['an end that is missing', formOf([]).type, formOf([file, purpose]).body.subarray(0, -30)],
  ['an end within the file', formOf([]).type, formOf([purpose, { ...file, content: 'a'.repeat(99_999) }]).body.subarray(0, 50_000)],
  ['bytes that are no form', formOf([]).type, Buffer.from('{"file":1}')],
  ['nothing', formOf([]).type, Buffer.alloc(0)],
])('400 for a form with %s, and nothing is stored', async (_what, type, body) => {
  const before = await filesStored()
  const answer = await send('POST', '/v1/files', { body: new Uint8Array(body), headers: { 'content-type': type } })
  expect([answer.status, answer.json().error.type]).toEqual([400, 'invalid_request_error'])
  expect(await filesStored()).toBe(before)
})

test.each([
  ['JSON', { 'content-type': 'application/json' }],
  ['bytes', { 'content-type': 'application/octet-stream' }],
  ['no type', { 'content-type': '' }],
])('415 for %s in place of a form', async (_what, headers) => {
  const answer = await send('POST', '/v1/files', { body: '{"file":"a","purpose":"batch"}', headers })
  expect([answer.status, answer.json().error.type]).toEqual([415, 'invalid_request_error'])
})

test('a file may be as large as the settings say, the input of a batch less, and one byte more is 413', async () => {
  const of = (bytes: number, parts: readonly Part[]) => upload([...parts, { ...file, content: Buffer.alloc(bytes, 97) }])
  const behind = (bytes: number, name: string) =>
    upload([
      { ...file, content: Buffer.alloc(bytes, 97) },
      { ...purpose, content: name },
    ])
  expect((await of(batchBytesMax, [purpose])).status).toBe(200)
  expect((await behind(batchBytesMax, 'batch')).status).toBe(200)
  expect((await behind(fileBytesMax, 'user_data')).status).toBe(200)
  const before = await filesStored()
  for (const answer of [
    await of(batchBytesMax + 1, [purpose]),
    await behind(batchBytesMax + 1, 'batch'),
    await behind(fileBytesMax + 1, 'evals'),
  ])
    expect([answer.status, answer.json().error.message]).toEqual([413, expect.stringMatching(/larger than \d+ bytes|may have \d+ bytes/)])
  expect((await of(20 * fileBytesMax, [purpose])).status).toBe(413)
  expect(await filesStored()).toBe(before)
})

test('an upload that breaks off leaves nothing', async () => {
  const before = await filesStored()
  const { body, type } = formOf([purpose, { ...file, content: Buffer.alloc(400_000, 97) }])
  const { hostname, port } = new URL(server.url)
  const headers = { authorization: `Bearer ${server.key}`, 'content-type': type, 'content-length': body.length }
  const broken = request({ hostname, port, method: 'POST', path: '/v1/files', headers })
  broken.on('error', () => undefined)
  broken.write(body.subarray(0, 350_000))
  await vi.waitUntil(async () => (await filesStored()) === (before ?? 0) + 1, { timeout: 20_000 })
  broken.destroy()
  await vi.waitUntil(async () => (await filesStored()) === before, { timeout: 20_000 })
  expect((await upload([file, purpose])).status).toBe(200)
})

test('a caller is told no before the body is read', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // A body is announced and never sent.
  const head = ['POST /v1/files HTTP/1.1', 'host: x', 'authorization: Bearer nf_live_wrong', `content-type: ${formOf([]).type}`]
  socket.write(`${[...head, 'content-length: 1000'].join('\r\n')}\r\n\r\n`)
  const [reply] = await once(socket, 'data')
  expect(String(reply)).toMatch(/^HTTP\/1.1 401 /)
  socket.destroy()
  const { secret } = await server.newKey({ scopes: ['metrics'] })
  for (const [method, path] of [
    ['POST', '/v1/files'],
    ['GET', '/v1/files'],
    ['POST', '/v1/batches'],
  ] as const)
    expect((await send(method, path, { key: secret })).status).toBe(403)
})

test('files of another account are as little there as those that never were', async () => {
  const { id } = (await upload([file, purpose])).json()
  const { secret } = await server.newKey({})
  for (const [method, path] of [
    ['GET', `/v1/files/${id}`],
    ['GET', `/v1/files/${id}/content`],
    ['DELETE', `/v1/files/${id}`],
    ['GET', '/v1/files/file-0'],
    ['GET', '/v1/files/%00'],
    ['DELETE', '/v1/files/..%2fx'],
  ] as const) {
    const answer = await send(method, path, { key: secret })
    expect(answer.status).toBe(404)
    expect(answer.json().error).toMatchObject({ message: expect.stringMatching(/^No such File object: /), code: 'not_found', param: 'id' })
  }
  expect((await send('GET', '/v1/files', { key: secret })).json()).toEqual({
    ...{ object: 'list', data: [], first_id: null, last_id: null, has_more: false },
  })
})

test('a list is read page by page, by purpose and either way round', async () => {
  const { secret: key } = await server.newKey({})
  const ids: string[] = []
  for (let number = 0; number < 5; number++) ids.push((await upload([file, purpose], '/v1/files', key)).json().id)
  const other = (await upload([file, { ...purpose, content: 'evals' }], '/v1/files', key)).json().id
  const page = async (query: string) => (await send('GET', `/v1/files?${query}`, { key })).json()
  const idsIn = ({ data }: { data: { id: string }[] }) => data.map(({ id }) => id)
  const sorted = [...ids].sort()
  expect(idsIn(await page('purpose=batch&order=asc'))).toEqual(sorted)
  expect(idsIn(await page('purpose=evals'))).toEqual([other])
  const first = await page('purpose=batch&limit=3')
  expect([idsIn(first), first.has_more, first.first_id]).toEqual([sorted.toReversed().slice(0, 3), true, sorted[4]])
  const second = await page(`purpose=batch&limit=3&after=${first.last_id}`)
  expect([idsIn(second), second.has_more]).toEqual([sorted.toReversed().slice(3), false])
  for (const wrong of ['limit=0', 'limit=10001', 'limit=a', 'limit=1&limit=2', 'order=up', 'purpose=fun', 'after=%00', 'page=2'])
    expect((await send('GET', `/v1/files?${wrong}`, { key })).status).toBe(400)
})
