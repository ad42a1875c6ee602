import { expect, test } from 'vitest'
import { expectNothingBilled, startTestServer } from '../harness.ts'

test('a fault of ours says so without saying what, is not billed, and leaves the server serving', async () => {
  let faulty = true
  await using server = await startTestServer({
    embedder: (engine) => ({
      run: (sequences, options) => (faulty ? Promise.reject(new TypeError('secret detail of the inside')) : engine.run(sequences, options)),
    }),
  })
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }))
  expect(answer.status).toBe(500)
  expect(answer.json()).toEqual({ error: 'Internal server error.' })
  expect(answer.headers.get('retry-after')).toBeNull()
  faulty = false
  expect((await server.post({ input: 'a' })).status).toBe(200)
})
