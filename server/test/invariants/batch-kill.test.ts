import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { type ServerProcess, spawnServer } from '../server-process.ts'

const kills = 6
const lineCount = 3_000
const timeoutMs = 600_000
/** Lines that cannot be embedded, one in so many. */
const badEvery = 50

const model = 'all-minilm-l6-v2'
const isBad = (index: number) => index % badEvery === 7
const lines = Array.from({ length: lineCount }, (_, index) =>
  JSON.stringify({
    custom_id: `line-${index}`,
    method: 'POST',
    url: '/v1/embeddings',
    body: { model, input: isBad(index) ? '' : `what the line with the number ${index} says`, encoding_format: 'base64' },
  }),
)

interface BatchObject {
  readonly id: string
  readonly status: string
  readonly output_file_id: string
  readonly error_file_id: string
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
  readonly usage: { readonly total_tokens: number }
}

test(`a batch whose server is killed ${kills} times answers every line once, in order, with the right vector, and charges each once`, {
  timeout: timeoutMs,
}, async () => {
  await using folder = await freshDataFolder()
  let key = ''
  let batchId = ''
  let kill = 0
  let finished: BatchObject | undefined
  let files = { output: '', errors: '' }
  let alone: string[] = []
  while (finished === undefined) {
    // A chunk is done in some milliseconds, so the moment of each kill is another one.
    await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'silent', NEARFIELD_BATCH_SLICE_MS: '1000' })
    const [, url = ''] = await server.printed(/serves (http:\S+)/)
    if (key === '') key = (await server.printed(/nf_live_\w+/))[0]
    const caller = new Caller(url, key)
    if (batchId === '') batchId = await caller.start(lines.join('\n'))
    const killAfter = kill < kills ? ((kill + Math.random()) / kills) * lineCount : Number.POSITIVE_INFINITY
    finished = await runUntil(server, caller, batchId, killAfter)
    kill++
    if (finished === undefined) continue
    files = { output: await caller.content(finished.output_file_id), errors: await caller.content(finished.error_file_id) }
    alone = await Promise.all([0, 1, 1_234, lineCount - 1].map((index) => caller.vectorOf(index)))
  }
  const good = lines.flatMap((_, index) => (isBad(index) ? [] : [`line-${index}`]))
  const output = parsed(files.output)
  expect(output.map(({ custom_id }) => custom_id)).toEqual(good)
  expect(parsed(files.errors).map(({ custom_id }) => custom_id)).toEqual(
    lines.flatMap((_, index) => (isBad(index) ? [`line-${index}`] : [])),
  )
  expect(finished.request_counts).toEqual({ total: lineCount, completed: good.length, failed: lineCount - good.length })
  const vectors = new Map(output.map(({ custom_id, response }) => [custom_id, response.body.data[0]?.embedding]))
  expect([0, 1, 1_234, lineCount - 1].map((index) => vectors.get(`line-${index}`))).toEqual(alone)

  const tokens = output.reduce((sum, { response }) => sum + response.body.usage.total_tokens, 0)
  expect(finished.usage.total_tokens).toBe(tokens)
  const books = await readBooks(folder.path)
  expect(books.breaches).toEqual([])
  // Beside the batch, four texts were embedded alone.
  expect(books.inputs).toBe(good.length + alone.length)
  process.stdout.write(`${books.charges} charges for ${good.length} lines over ${kill - 1} kills\n`)
})

/** Kills the server once so many lines are done. @returns the batch when it is finished before */
async function runUntil(server: ServerProcess, caller: Caller, batchId: string, lines: number): Promise<BatchObject | undefined> {
  for (;;) {
    const batch = await caller.batch(batchId)
    if (batch.status === 'completed') return batch
    expect(['validating', 'in_progress', 'finalizing']).toContain(batch.status)
    if (batch.request_counts.completed + batch.request_counts.failed >= lines) {
      server.child.kill('SIGKILL')
      await server.ended()
      return undefined
    }
    await sleep(5)
  }
}

/** What a caller does, in OpenAI's form. */
class Caller {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, key: string) {
    this.#url = url
    this.#headers = { authorization: `Bearer ${key}` }
  }

  /** @returns the id of a batch of these lines */
  async start(content: string): Promise<string> {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new File([content], 'lines.jsonl'))
    const file: { id: string } = await this.#ask('/v1/files', { method: 'POST', body: form })
    const batch: BatchObject = await this.#json('/v1/batches', {
      input_file_id: file.id,
      endpoint: '/v1/embeddings',
      completion_window: '24h',
    })
    return batch.id
  }

  batch(id: string): Promise<BatchObject> {
    return this.#ask(`/v1/batches/${id}`)
  }

  async content(fileId: string): Promise<string> {
    return (await fetch(`${this.#url}/v1/files/${fileId}/content`, { headers: this.#headers })).text()
  }

  /** Of a line, asked for by itself; base64. */
  async vectorOf(index: number): Promise<string> {
    const answer: { data: { embedding: string }[] } = await this.#json('/v1/embeddings', JSON.parse(lines[index] ?? '{}').body)
    return answer.data[0]?.embedding ?? ''
  }

  #json<Body>(path: string, body: unknown): Promise<Body> {
    return this.#ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  }

  async #ask<Body>(path: string, init: RequestInit = {}): Promise<Body> {
    const response = await fetch(this.#url + path, { ...init, headers: { ...this.#headers, ...init.headers } })
    if (response.status !== 200) throw new Error(`the server answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as Body
  }
}

interface OutputLine {
  readonly custom_id: string
  readonly response: {
    readonly body: { readonly data: { readonly embedding: string }[]; readonly usage: { readonly total_tokens: number } }
  }
}

function parsed(file: string): OutputLine[] {
  return file
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** What the next start finds: the checker's verdict, and what was charged. */
async function readBooks(folder: string) {
  const ground = layGround({ NEARFIELD_DATA_DIR: folder, NEARFIELD_LOG_LEVEL: 'silent' })
  await using rooms = await openRooms(ground)
  const { breaches } = await rooms.checkLedger()
  const text = 'select count(*)::int as charges, sum(inputs)::int as inputs from usage where reversed_at is null and cost > 0'
  const [row] = await rooms.database.query<{ charges: number; inputs: number }>({ name: 'test: charges', text }, [])
  ground.telemetry.close()
  if (row === undefined) throw new Error('there are no charges')
  return { breaches, ...row }
}
