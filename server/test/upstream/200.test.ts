import { expect, test } from 'vitest'
import { fakeGoogleKey, googleQuota, googleVector, startFakeGoogle } from '../fake-google.ts'
import { openAiVector, startFakeOpenAi } from '../fake-openai.ts'
import { startTestServer } from '../harness.ts'

const float32 = (values: readonly number[]) => [...Float32Array.from(values)]
const close = (actual: readonly number[], wanted: readonly number[]) => {
  expect(actual).toHaveLength(wanted.length)
  for (const [index, value] of wanted.entries()) expect(Math.abs((actual[index] ?? Number.NaN) - value)).toBeLessThan(1e-6)
}

test('with a Google key gemini-embedding-001 is served by Google, in a space that says so, and every text gets its own vector', async () => {
  await using google = await startFakeGoogle()
  const environment = { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url }
  await using server = await startTestServer({ environment })
  const texts = Array.from({ length: 250 }, (_, index) => `text ${index}`)
  const answer = await server.post({ input: texts, task_type: 'RETRIEVAL_DOCUMENT' })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-nearfield-space')).toMatch(/^gemini-embedding-001\/google-[0-9a-f]{8}\/3072$/)
  const { embeddings, model } = answer.json()
  expect(model).toBe('gemini-embedding-001')
  expect(answer.headers.get('x-nearfield-tokens-estimated')).toBe('true')
  const { data } = (await server.get('/v1/models', { authorization: `Bearer ${server.key}` })).json()
  expect(data.filter(({ id }: { id: string }) => id === 'gemini-embedding-001')).toMatchObject([
    { stand_in: false, computed_by: 'upstream', owned_by: 'google', space: answer.headers.get('x-nearfield-space') },
  ])
  for (const [index, text] of texts.entries()) close(embeddings[index].values, float32(googleVector(text, 'RETRIEVAL_DOCUMENT')))
  expect(google.calls).toHaveLength(3)
})

test('a 429 with RetryInfo is obeyed, and the request that met it is answered', async () => {
  await using google = await startFakeGoogle()
  await using server = await startTestServer({ environment: { GEMINI_API_KEY: fakeGoogleKey, NEARFIELD_GEMINI_BASE_URL: google.url } })
  const arrivedMs: number[] = []
  google.way = ({ number }) => {
    arrivedMs.push(performance.now())
    return number === 0 ? googleQuota('0.4s') : 'right'
  }
  expect((await server.post({ input: 'a' })).status).toBe(200)
  expect(google.calls).toHaveLength(2)
  const { secret } = await server.newKey({ scopes: ['metrics'] })
  const { text } = await server.get('/metrics', { authorization: `Bearer ${secret}` })
  for (const outcome of ['answered', 'rate_limited']) {
    expect(text).toContain(`nearfield_upstream_calls_total{model="gemini-embedding-001",outcome="${outcome}"} 1`)
  }
  expect((arrivedMs[1] ?? 0) - (arrivedMs[0] ?? 0)).toBeGreaterThanOrEqual(395)
})

test('a service that speaks the API of OpenAI serves its model under its own name', async () => {
  await using openAi = await startFakeOpenAi(8, 'upstream-key')
  const environment = {
    NEARFIELD_UPSTREAM_URL: `${openAi.url}/v1`,
    NEARFIELD_UPSTREAM_MODELS: 'tiny=8',
    NEARFIELD_UPSTREAM_API_KEY: 'upstream-key',
  }
  await using server = await startTestServer({ environment })
  openAi.way = () => 'swapped'
  const answer = await server.post(
    { input: ['a', 'b', 'c'], model: 'tiny' },
    { path: '/v1/embeddings', headers: { authorization: `Bearer ${server.key}` }, key: null },
  )
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-nearfield-space')).toMatch(/^tiny\/openai-[0-9a-f]{8}\/8$/)
  for (const [index, text] of ['a', 'b', 'c'].entries()) close(answer.json().data[index].embedding, float32(openAiVector(8, text)))
})
