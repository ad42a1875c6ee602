import { expect, test } from 'vitest'
import type { EmbedOutcome } from '../../src/embedding/embedder.ts'
import { NearfieldError } from '../../src/errors.ts'
import { expectNothingBilled, startTestServer } from '../harness.ts'

const ways: Record<string, (good: EmbedOutcome) => Promise<EmbedOutcome>> = {
  'gives up': () => Promise.reject(new NearfieldError('engine_failed')),
  'is not there': () => Promise.reject(new NearfieldError('unavailable')),
  'gives a number that is not one': async (good) => ({ ...good, vectors: good.vectors.map((vector) => vector.fill(Number.NaN)) }),
  'gives one vector too few': async (good) => ({ ...good, vectors: good.vectors.slice(1) }),
  'gives a vector of another length': async (good) => ({ ...good, vectors: good.vectors.map((vector) => vector.slice(1)) }),
  'gives only zeros': async (good) => ({ ...good, vectors: good.vectors.map((vector) => vector.fill(0)) }),
}

test('an engine that fails in any way is a 502 that may be repeated, and nothing is billed', async () => {
  let fail = ways['gives up']
  await using server = await startTestServer({
    embedder: (engine) => ({
      run: async (sequences, options) => (fail ? fail(await engine.run(sequences, options)) : engine.run(sequences, options)),
    }),
  })
  for (const [name, way] of Object.entries(ways)) {
    fail = way
    const answer = await expectNothingBilled(server, () => server.post({ input: ['a', 'b'] }))
    expect(answer.status, name).toBe(502)
    expect(answer.json()).toEqual({ error: expect.any(String) })
    expect(answer.headers.get('retry-after')).toBe('1')
  }
  fail = undefined
  expect((await server.post({ input: ['a', 'b'] })).status).toBe(200)
})
