import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Embedder, EmbedOptions, EmbedOutcome } from '../../src/embedding/embedder.ts'
import { type ErrorCode, NearfieldError } from '../../src/errors.ts'
import { expectBooksToBalance, startTestServer, type TestServer } from '../harness.ts'
import { BatchCaller, type BatchObject, batchLine } from './batch-caller.ts'

// Whatever ends a batch: every line has one answer, the lines with vectors are charged once each, at half the price, and no other.

/** Tokens of the text that the engine fails on, with the special ones. */
const poisonTokens = 23
const poison = 'bad '.repeat(poisonTokens - 2).trim()

/** Stands before the engine: counts the calls, holds them back, fails them. */
class Tap {
  calls = 0
  #failures: ErrorCode[] = []
  #held: PromiseWithResolvers<void> | undefined

  failNext(...codes: ErrorCode[]): void {
    this.#failures = codes
  }

  /** What comes from now on waits until `open` is called. */
  hold(): { open(): void } {
    const held = Promise.withResolvers<void>()
    this.#held = held
    return {
      open: () => {
        this.#held = undefined
        held.resolve()
      },
    }
  }

  before(engine: Embedder): Embedder {
    return {
      run: async (sequences: readonly Int32Array[], options: EmbedOptions): Promise<EmbedOutcome> => {
        this.calls++
        await this.#held?.promise
        const failure = this.#failures.shift()
        if (failure !== undefined) throw new NearfieldError(failure)
        if (sequences.some(({ length }) => length === poisonTokens)) throw new NearfieldError('engine_failed')
        return engine.run(sequences, options)
      },
    }
  }
}

const tap = new Tap()
let server: TestServer
let caller: BatchCaller
beforeAll(async () => {
  server = await startTestServer({
    environment: { NEARFIELD_BATCH_SLICE_MS: '500', NEARFIELD_REPLICAS: '2' },
    embedder: (engine) => tap.before(engine),
  })
  caller = new BatchCaller(server.url, server.key)
}, 60_000)
afterAll(() => server[Symbol.asyncDispose]())

const linesOf = (count: number) => Array.from({ length: count }, (_, index) => batchLine(`${index}`, `text number ${index}`))

interface Charged {
  readonly inputs: number
  readonly tokens: number
  readonly cost: bigint
}

/** What was charged since, in all. */
async function chargedWhile<Result>(act: () => Promise<Result>): Promise<{ result: Result; charged: Charged }> {
  const sum = async () => {
    const text = `select coalesce(sum(inputs), 0)::int as inputs, coalesce(sum(tokens), 0)::int as tokens, coalesce(sum(cost), 0)::bigint as cost
      from usage where reversed_at is null`
    const [row] = await server.running.rooms.database.query<Charged>({ name: 'test: charged', text }, [])
    if (row === undefined) throw new Error('a sum has a row')
    return row
  }
  const before = await sum()
  const result = await act()
  const after = await sum()
  await expectBooksToBalance(server)
  return { result, charged: { inputs: after.inputs - before.inputs, tokens: after.tokens - before.tokens, cost: after.cost - before.cost } }
}

/** Of each line, in the order of the input: `answered`, or why not. */
async function fates({ output_file_id, error_file_id }: BatchObject, by = caller): Promise<Map<string, string>> {
  const replies = [...(await by.replies(output_file_id)), ...(await by.replies(error_file_id))]
  const fates = new Map(
    replies.map(({ custom_id, response, error }) => {
      const failed = response === null ? error?.code : response.body.error === undefined ? 'answered' : response.body.error.code
      return [custom_id, String(failed)]
    }),
  )
  expect(fates.size).toBe(replies.length)
  return fates
}

const count = (all: Map<string, string>, fate: string) => [...all.values()].filter((one) => one === fate).length

describe('a batch', () => {
  test('costs half of what the same texts cost one by one', async () => {
    const lines = linesOf(100)
    const inBatch = await chargedWhile(async () => caller.finished(await caller.start(lines)))
    const alone = await chargedWhile(() => Promise.all(lines.map((line) => caller.embed(line))))
    expect([inBatch.result.status, inBatch.charged.inputs, inBatch.charged.tokens]).toEqual(['completed', 100, alone.charged.tokens])
    expect(inBatch.charged.cost * 2n).toBe(alone.charged.cost)
  })

  test('that is cancelled answers the chunks under way, says of every other line that it was not run, and charges what it answered', async () => {
    const held = tap.hold()
    const { result, charged } = await chargedWhile(async () => {
      const id = await caller.start(linesOf(1_000))
      const before = tap.calls
      await caller.until(id, () => tap.calls > before)
      expect((await caller.cancel(id)).status).toBe('cancelling')
      held.open()
      return caller.finished(id)
    })
    const all = await fates(result)
    expect([result.status, all.size, count(all, 'answered') + count(all, 'batch_cancelled')]).toEqual(['cancelled', 1_000, 1_000])
    expect(count(all, 'answered')).toBeGreaterThan(0)
    expect(count(all, 'batch_cancelled')).toBeGreaterThan(0)
    expect(charged.inputs).toBe(count(all, 'answered'))
    expect(result.request_counts).toEqual({ total: 1_000, completed: charged.inputs, failed: 0 })
    await expect(caller.cancel(result.id)).resolves.toMatchObject({ status: 'cancelled' })
  })

  test('is in the metrics while it is not finished, as are async requests, and then no more', async () => {
    const figures = async () => {
      const { text } = await server.get('/metrics')
      return text.split('\n').filter((line) => /^nearfield_(unfinished|oldest)/.test(line))
    }
    const held = tap.hold()
    const before = tap.calls
    const id = await caller.start(linesOf(1_000))
    await server.post({ input: 'later' }, { path: '/v2/gemini-embedding-001' })
    await caller.until(id, () => tap.calls > before + 1)
    const names = [
      'nearfield_unfinished_jobs{kind="batch",state="in_progress"} 1',
      'nearfield_unfinished_jobs{kind="request",state="PROCESSING"} 1',
      'nearfield_unfinished_lines 1000',
      expect.stringMatching(/^nearfield_oldest_job_seconds\{kind="batch",state="in_progress"\} \d+\.?\d*$/),
      expect.stringMatching(/^nearfield_oldest_job_seconds\{kind="request",state="PROCESSING"\} \d+\.?\d*$/),
    ]
    await vi.waitFor(async () => expect(await figures()).toEqual(names), { timeout: 20_000 })
    held.open()
    await caller.finished(id)
    await vi.waitFor(async () => expect(await figures()).toEqual(['nearfield_unfinished_lines 0']), { timeout: 20_000 })
  })

  test('whose time is up stops likewise', async () => {
    const held = tap.hold()
    const { result, charged } = await chargedWhile(async () => {
      const before = tap.calls
      const id = await caller.start(linesOf(1_000))
      await caller.until(id, () => tap.calls > before)
      const text = `update batches set expires_at = now() where id = $1`
      await server.running.rooms.database.query({ name: 'test: expire', text }, [id])
      held.open()
      return caller.finished(id)
    })
    const all = await fates(result)
    expect([result.status, all.size, count(all, 'answered') + count(all, 'batch_expired')]).toEqual(['expired', 1_000, 1_000])
    expect(charged.inputs).toBe(count(all, 'answered'))
    expect(charged.inputs).toBeLessThan(1_000)
  })

  test('with a text that the engine fails on answers all others', async () => {
    const lines = linesOf(130).with(70, batchLine('70', poison))
    const { result, charged } = await chargedWhile(async () => caller.finished(await caller.start(lines)))
    const all = await fates(result)
    expect([result.status, count(all, 'answered'), charged.inputs]).toEqual(['completed', 129, 129])
    expect((await caller.replies(result.error_file_id)).map(({ custom_id, response }) => [custom_id, response?.status_code])).toEqual([
      ['70', 502],
    ])
  })

  test('goes on when a part of the server was away for a moment', async () => {
    tap.failNext('unavailable', 'overloaded')
    const { result, charged } = await chargedWhile(async () => caller.finished(await caller.start(linesOf(10))))
    expect([result.status, result.request_counts, charged.inputs]).toEqual(['completed', { total: 10, completed: 10, failed: 0 }, 10])
  })

  test('that its account cannot pay for is paid as far as the credit goes', async () => {
    const alone = await chargedWhile(() => caller.embed(linesOf(1)[0] ?? ''))
    const { secret } = await server.newKey({ credit: (alone.charged.cost / 2n) * 40n })
    const poor = new BatchCaller(server.url, secret)
    const { result, charged } = await chargedWhile(async () => poor.finished(await poor.start(linesOf(100))))
    const all = await fates(result, poor)
    expect([result.status, count(all, 'answered') + count(all, 'insufficient_quota')]).toEqual(['completed', 100])
    expect(charged.inputs).toBe(count(all, 'answered'))
    // Numbers of two digits have a token more.
    expect(charged.inputs).toBeGreaterThan(30)
    expect(charged.inputs).toBeLessThanOrEqual(40)
  })

  test('of ten, each is answered whole, though they take turns', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => caller.start(linesOf(200))))
    const { result, charged } = await chargedWhile(() => Promise.all(ids.map((id) => caller.finished(id))))
    expect(result.map(({ request_counts }) => request_counts.completed)).toEqual(ids.map(() => 200))
    expect(charged.inputs).toBeLessThanOrEqual(2_000)
  })

  test('is not shown to others, nor are its files', async () => {
    const { secret } = await server.newKey({ credit: 1_000_000n })
    const stranger = new BatchCaller(server.url, secret)
    const mine = await caller.finished(await caller.start(linesOf(1)))
    await expect(stranger.batch(mine.id)).rejects.toThrow('404')
    await expect(stranger.cancel(mine.id)).rejects.toThrow('404')
    const content = await fetch(`${server.url}/v1/files/${mine.output_file_id}/content`, { headers: { authorization: `Bearer ${secret}` } })
    expect(content.status).toBe(404)
  })
})
