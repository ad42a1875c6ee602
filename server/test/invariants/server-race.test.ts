import { describe, expect, test } from 'vitest'
import { parseDollars } from '../../src/money.ts'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'
import { startPostgres } from '../postgres.ts'

const calls = 500
const affordable = 200
const body = { input: 'the last credit may be spent once', task_type: 'RETRIEVAL_QUERY' }

async function expectExactlyTheAffordable(server: TestServer): Promise<void> {
  const cost = parseDollars((await server.post(body)).headers.get('x-cost') ?? '')
  const { secret } = await server.newKey({ credit: BigInt(affordable) * cost })
  const before = await server.books()
  const answers = await Promise.all(Array.from({ length: calls }, () => server.post(body, { key: secret })))
  const statuses = Map.groupBy(answers, ({ status }) => status)
  expect(statuses.get(200)?.length).toBe(affordable)
  expect(statuses.get(406)?.length).toBe(calls - affordable)
  const credits = await server.get('/v1/get-user-credits', { 'x-api-key': secret })
  expect(credits.json()).toEqual({ credits: 0, 'free-credits': 0 })
  const after = await server.books()
  expect(after.usage - before.usage).toBe(affordable)
  expect(after.entriesSum).toBe(after.balances)
  await expectBooksToBalance(server)
}

describe(`${calls} calls at once over HTTP against credit for exactly ${affordable}: ${affordable} times 200, ${calls - affordable} times 406, balance 0`, () => {
  test('on the embedded database', async () => {
    await using server = await startTestServer()
    await expectExactlyTheAffordable(server)
  })

  test('on Postgres', async () => {
    await using postgres = await startPostgres()
    await using server = await startTestServer({ environment: { DATABASE_URL: await postgres.createDatabase() } })
    await expectExactlyTheAffordable(server)
  })
})
