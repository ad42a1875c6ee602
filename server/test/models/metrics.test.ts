import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: '1000000' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

/** The value of a line of the metrics; `undefined` where there is none. */
async function figure(line: string): Promise<number | undefined> {
  const { text } = await server.get('/metrics')
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1))
}

test('requests, tokens, batches, the cache and the states of models are counted', async () => {
  const counted = { input: ['counted text', 'another'] }
  for (const body of [counted, counted]) expect((await server.post(body)).status).toBe(200)
  expect((await server.post({ input: 7 })).status).toBe(400)
  expect(await figure('nearfield_requests_total{method="POST",route="/v1/:slug",status="200"}')).toBe(2)
  expect(await figure('nearfield_requests_total{method="POST",route="/v1/:slug",status="400"}')).toBe(1)
  expect(await figure('nearfield_tokens_total{model="all-minilm-l6-v2"}')).toBe(14)
  expect(await figure('nearfield_cached_tokens_total{model="all-minilm-l6-v2"}')).toBe(7)
  expect(await figure('nearfield_texts_total{model="all-minilm-l6-v2"}')).toBe(4)
  expect(await figure('nearfield_batch_sequences_total{model="all-minilm-l6-v2"}')).toBe(2)
  expect(await figure('nearfield_infer_seconds_count')).toBe(2)
  expect(await figure('nearfield_commit_seconds_count')).toBe(2)
  expect(await figure('nearfield_cache_hits_total')).toBe(2)
  expect(await figure('nearfield_model_state{model="all-minilm-l6-v2",state="warm"}')).toBe(1)
  expect(await figure('nearfield_model_state{model="all-minilm-l6-v2",state="cold"}')).toBe(0)
  expect(await figure('nearfield_queue_tokens{model="all-minilm-l6-v2",lane="bulk"}')).toBe(0)
  expect(await figure('nearfield_predicted_wait_seconds{model="all-minilm-l6-v2"}')).toBe(0)
  expect(await figure('nearfield_replicas{model="all-minilm-l6-v2"}')).toBe(1)
  expect(await figure('nearfield_model_memory_bytes{model="all-minilm-l6-v2"}')).toBeGreaterThan(10_000_000)
  expect(await figure('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
})

test('what callers choose never becomes a label, and no text, key or account is told', async () => {
  const canary = 'canary-91c2'
  await server.post({ input: canary }, { path: `/v1/${canary}` })
  await server.get(`/${canary}`, { 'x-api-key': server.key })
  await server.post({ input: canary, task_type: canary })
  const { text } = await server.get('/metrics')
  expect(text).toMatch(/nearfield_requests_total\{method="GET",route="none",status="404"\} 1/)
  expect(text).not.toContain(canary)
  expect(text).not.toMatch(/nf_live_|key_|acct_/)
})

test('only a key that may read them gets the metrics, in either form', async () => {
  const [metrics, embed] = [await server.newKey({ scopes: ['metrics'] }), await server.newKey({ scopes: ['embed'] })]
  expect((await server.get('/metrics', {})).status).toBe(401)
  expect((await server.get('/metrics', bearer(embed.secret))).status).toBe(403)
  const answer = await server.get('/metrics', bearer(metrics.secret))
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
  expect((await server.post({ input: 'hello' }, { key: metrics.secret })).status).toBe(403)
})

test('the metrics can be open to everybody who reaches the port, or off', async () => {
  await using open = await startTestServer({ environment: { NEARFIELD_METRICS: 'open' } })
  expect((await open.get('/metrics', {})).status).toBe(200)
  await using off = await startTestServer({ environment: { NEARFIELD_METRICS: 'off' } })
  expect((await off.get('/metrics')).status).toBe(404)
})
