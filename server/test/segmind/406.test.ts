import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// 406 says two things at Segmind: the content type is wrong, or the balance is below the cost. Neither is billed.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

test.each([
  ['no content type', undefined],
  ['plain text', 'text/plain'],
  ['a form of the simple kind', 'application/x-www-form-urlencoded'],
  ['XML', 'application/xml'],
  ['nonsense', 'json'],
  ['JSON in another charset', 'application/json; charset=latin1'],
])('%s', async (_name, type) => {
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { headers: { 'content-type': type } }))
  expect(answer.status).toBe(406)
  expect(answer.json().error).toMatch(/^Invalid content type/)
})

test('a body that would have to be inflated', async () => {
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { headers: { 'content-encoding': 'gzip' } }))
  expect(answer.status).toBe(406)
  expect(answer.json().error).toContain('Content-Encoding')
})

test('JSON with parameters of its own is welcome', async () => {
  const types = ['application/json; charset=utf-8', 'application/json;charset=UTF-8', 'APPLICATION/JSON']
  for (const type of types) expect((await server.post({ input: 'a' }, { headers: { 'content-type': type } })).status, type).toBe(200)
})

test('a balance below the cost: the message names both, and the balance stays', async () => {
  const { secret } = await server.newKey({ credit: 449n })
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key: secret }))
  expect(answer.status).toBe(406)
  expect(answer.json()).toEqual({ error: 'Insufficient credits: the balance is $0.000000449 and this request needs $0.000000450.' })
})

test('no balance at all', async () => {
  const { secret } = await server.newKey({})
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key: secret }))
  expect(answer.status).toBe(406)
  expect(answer.json().error).toMatch(/^Insufficient credits/)
})

test('a balance is spent to its last nano-dollar and not beyond', async () => {
  const { secret } = await server.newKey({ credit: 450n })
  const answers = await Promise.all(Array.from({ length: 5 }, () => server.post({ input: 'a' }, { key: secret })))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 406, 406, 406, 406])
  const left = await server.get('/v1/get-user-credits', { 'x-api-key': secret })
  expect(left.json()).toEqual({ credits: 0, 'free-credits': 0 })
  await expectBooksToBalance(server)
})
