import { expect, test } from 'vitest'
import { expectNothingBilled, startTestServer } from '../harness.ts'

test('a good key without the scope to embed is refused and nothing is billed', async () => {
  await using server = await startTestServer()
  const { secret } = await server.newKey({ credit: 1_000_000n, scopes: ['admin'] })
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }, { key: secret }))
  expect(answer.status).toBe(403)
  expect(answer.json()).toEqual({ error: expect.stringContaining('lacks the scope "embed"') })
})
