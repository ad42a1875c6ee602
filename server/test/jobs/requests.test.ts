import { expect, test, vi } from 'vitest'
import type { Embedder, EmbedOptions } from '../../src/embedding/embedder.ts'
import type { Engine } from '../../src/inference/engine.ts'
import { startServer } from '../../src/main.ts'
import { freshDataFolder } from '../data-folder.ts'
import { shareCompiledModels } from '../shared-models.ts'

/** Stands before the engine and lets nothing through until the caller gives up. */
function holding(engine: Engine, begun: () => void): Embedder {
  return {
    ...engine,
    run: (_sequences, { signal }: EmbedOptions) => {
      begun()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    },
  }
}

test('a server that stops hands its async requests back as if it had not begun them', { timeout: 60_000 }, async () => {
  await using folder = await freshDataFolder()
  await shareCompiledModels(folder.path)
  const environment = {
    ...{ PORT: '0', NEARFIELD_DATA_DIR: folder.path, NEARFIELD_LOG_LEVEL: 'silent', NEARFIELD_REPLICAS: '1' },
    NEARFIELD_QUEUE_OPEN_AFTER_MS: '0',
  }
  const begun = vi.fn()
  let key = ''
  let id = ''
  const found = async (url: string) => {
    const response = await fetch(`${url}/v2/requests/${id}`, { headers: { 'x-api-key': key } })
    return (await response.json()) as { status: string; metrics: { cost?: number; retry_count?: number } }
  }
  {
    await using first = await startServer(environment, { quiet: true, embedder: (engine) => holding(engine, begun) })
    key = first.firstKey?.secret ?? ''
    const headers = { 'x-api-key': key, 'content-type': 'application/json' }
    const submitted = await fetch(`${first.url}/v2/gemini-embedding-001`, { method: 'POST', headers, body: '{"input":"later"}' })
    id = ((await submitted.json()) as { request_id: string }).request_id
    await vi.waitFor(() => expect(begun).toHaveBeenCalled(), { timeout: 20_000 })
    expect((await found(first.url)).status).toBe('PROCESSING')
  }
  await using second = await startServer(environment, { quiet: true })
  await vi.waitFor(async () => expect((await found(second.url)).status).toBe('COMPLETED'), { timeout: 30_000, interval: 100 })
  const { metrics } = await found(second.url)
  expect(metrics.cost).toBeGreaterThan(0)
  // Tries beside the first would be told here, and five of them end a request.
  expect(metrics).not.toHaveProperty('retry_count')
  expect((await second.rooms.checkLedger()).breaches).toEqual([])
})
