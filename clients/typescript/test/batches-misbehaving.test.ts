import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BatchResult, Nearfield, type NearfieldOptions } from '../src/nearfield.ts'
import { type Behaviour, breakingOff, type HttpDouble, refusing, resetting, silent, startHttpDouble } from './http-double.ts'
import { BatchesDouble } from './openai-batches-double.ts'

// What a client of batches does when answers are lost, break off or make no sense. How batches go on a server is in batches.test.ts.

let double: HttpDouble
let openai: BatchesDouble

beforeAll(async () => {
  double = await startHttpDouble()
})
afterAll(() => double[Symbol.asyncDispose]())
beforeEach(() => {
  openai = new BatchesDouble()
  double.behave([], openai.answer)
})

const client = (options: Partial<NearfieldOptions> = {}) => new Nearfield({ apiKey: 'nf_live_test', baseUrl: double.url, ...options })
const calls = () => double.seen.map(({ method, path }) => `${method} ${path}`)

/** Does what it is asked and loses the answer. */
const losing: Behaviour = (response, seen) => {
  openai.answer(new Proxy(response, { get: () => () => ({ end: () => undefined }) }), seen)
  response.socket?.resetAndDestroy()
}

async function listOf(results: AsyncIterable<BatchResult>): Promise<BatchResult[]> {
  const list: BatchResult[] = []
  for await (const result of results) list.push(result)
  return list
}

describe('what is sent', () => {
  const linesSent = () =>
    [...openai.files.values()].map((content) =>
      content
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    )

  test('a line for every text, with the fields of the batch, its own id and its own task type', async () => {
    const items = ['plain', { id: 'own', text: 'with\nbreak "ä"' }, { text: 'query', taskType: 'RETRIEVAL_QUERY' as const }]
    await client().batches.create(items, { dimensions: 256, outputType: 'int8', taskType: 'RETRIEVAL_DOCUMENT', model: 'm' })
    const line = (custom_id: string, input: string, task_type = 'RETRIEVAL_DOCUMENT') => ({
      ...{ custom_id, method: 'POST', url: '/v1/embeddings' },
      body: { model: 'm', input, task_type, dimensions: 256, output_dtype: 'int8', truncate: 'end', encoding_format: 'base64' },
    })
    expect(linesSent()).toEqual([[line('0', 'plain'), line('own', 'with\nbreak "ä"'), line('2', 'query', 'RETRIEVAL_QUERY')]])
  })

  test('what comes as it comes, a list, or lines that are there already', async () => {
    async function* coming() {
      yield 'one'
      yield 'two'
    }
    await client().batches.create(coming())
    await client().batches.create(new Set(['one', 'two']))
    const [lines = ''] = openai.files.values()
    await client().batches.create(new Blob([lines]))
    const [first, ...others] = openai.files.values()
    expect(others).toEqual([first, first])
  })

  test('a file of many texts, whole', async () => {
    await client().batches.create(Array.from({ length: 5_000 }, (_, index) => `text number ${index}`))
    expect(linesSent()[0]?.map(({ body }) => body.input)).toEqual(Array.from({ length: 5_000 }, (_, index) => `text number ${index}`))
  })

  test('the key as a bearer token, as these routes want it', async () => {
    await client().batches.create(['a'])
    for (const { headers } of double.seen) expect([headers.authorization, headers['x-api-key']]).toEqual(['Bearer nf_live_test', undefined])
  })

  test.each<[string, Iterable<string | { id?: string; text: string }>, object]>([
    ['no texts', [], RangeError],
    ['an id that comes twice', [{ id: '1', text: 'a' }, 'b'], RangeError],
    ['a text, which is a list of its characters', 'text', TypeError],
  ])('%s is refused before anything is sent', async (_name, content, kind) => {
    await expect(client().batches.create(content)).rejects.toThrow(kind as ErrorConstructor)
    expect(double.seen).toEqual([])
  })

  test('what the items throw ends the call', async () => {
    async function* breaking() {
      yield 'one'
      throw new Error('the disk is gone')
    }
    await expect(client().batches.create(breaking())).rejects.toThrow('the disk is gone')
    expect(double.seen).toEqual([])
  })
})

describe('no text is embedded twice', () => {
  test('an answer that is lost after the batch was made: the batch is found and no other is made', async () => {
    double.behave([openai.answer, losing], openai.answer)
    const { id } = await client().batches.create(['a'], { metadata: { project: 'x' } })
    expect(openai.batches.map((made) => made.id)).toEqual([id])
    expect(openai.batches[0]?.metadata).toEqual({ project: 'x', nearfield_key: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect(calls()).toEqual(['POST /v1/files', 'POST /v1/batches', 'GET /v1/batches?limit=100'])
  })

  test('an answer that is lost before it was made: it is made again, once', async () => {
    double.behave([openai.answer, resetting, openai.answer, resetting, openai.answer], openai.answer)
    await client().batches.create(['a'])
    expect(openai.batches).toHaveLength(1)
    expect(calls().filter((call) => call === 'POST /v1/batches')).toHaveLength(3)
  })

  test('the batch is found however many were made since, page by page', async () => {
    double.behave([openai.answer, losing], openai.answer)
    const lost = client().batches.create(['a'])
    await vi.waitUntil(() => openai.batches.length === 1)
    const [first] = openai.batches
    for (let more = 0; more < 250; more++) if (first !== undefined) openai.batches.unshift({ ...first, id: `other_${more}`, metadata: {} })
    expect((await lost).id).toBe(first?.id)
  })

  test('under its own key a batch is made once, by whatever program, and its texts are not even read again', async () => {
    const first = await client().batches.create(['a'], { idempotencyKey: 'nightly' })
    const unread: Iterable<string> = { [Symbol.iterator]: () => expect.unreachable('nobody may read this') }
    expect((await client().batches.create(unread, { idempotencyKey: 'nightly' })).id).toBe(first.id)
    expect([openai.batches.length, openai.files.size]).toEqual([1, 1])
  })

  test('a key stands for a day: of a batch that is older another one is made', async () => {
    await client().batches.create(['a'], { idempotencyKey: 'nightly' })
    const [old] = openai.batches.splice(0)
    if (old !== undefined) openai.batches.push({ ...old, created_at: old.created_at - 86_500 })
    await client().batches.create(['a'], { idempotencyKey: 'nightly' })
    expect(openai.batches).toHaveLength(2)
  })

  test('an upload that breaks is made again', async () => {
    double.behave([resetting, refusing(503, { 'retry-after': '0' })], openai.answer)
    await client().batches.create(['a'])
    expect([openai.batches.length, openai.files.size]).toEqual([1, 1])
  })
})

describe('results', () => {
  const success = (id: string, space = 'm/1') => ({
    ...{ id: 'batch_req_1', custom_id: id, error: null },
    response: {
      ...{ status_code: 200, request_id: 'req_1', headers: { 'x-nearfield-space': space } },
      body: {
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: 'AACAPw==' }],
        model: 'm',
        usage: { prompt_tokens: 3, total_tokens: 3 },
      },
    },
  })
  const failure = (id: string) => ({
    ...{ id: 'batch_req_2', custom_id: id, error: null },
    response: {
      status_code: 400,
      request_id: 'req_2',
      body: { error: { message: 'It is empty.', type: 'invalid_request_error', code: null } },
    },
  })
  const undone = (id: string) => ({
    id: 'batch_req_3',
    custom_id: id,
    response: null,
    error: { code: 'batch_expired', message: 'Its time was up.' },
  })

  /** A finished batch of these items, with these lines in its files. */
  async function finished(ids: readonly string[], outputs: readonly unknown[], errors: readonly unknown[] = []): Promise<string> {
    const { id } = await client().batches.create(ids.map((item) => ({ id: item, text: item })))
    const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    openai.files.set('file-out', lines(outputs))
    openai.files.set('file-bad', lines(errors))
    const [made] = openai.batches
    if (made !== undefined) openai.batches[0] = { ...made, output_file_id: 'file-out', error_file_id: 'file-bad' }
    double.behave([], openai.answer)
    return id
  }

  test('are in the order of the items, whatever the order of the files', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const id = await finished(ids, [success('e'), success('a'), success('c')], [undone('d'), failure('b')])
    const results = await listOf(client().batches.results(id))
    expect(results.map((result) => result.id)).toEqual(ids)
    expect(results[0]).toEqual({ id: 'a', vector: Float32Array.of(1), space: 'm/1', truncated: false, tokens: 3 })
    expect(results[1]?.error).toMatchObject({ name: 'BadRequestError', status: 400, message: 'It is empty.', requestId: 'req_2' })
    expect(results[3]?.error).toMatchObject({ name: 'NotRunError', code: 'batch_expired', mayBeBilled: false })
  })

  test('or as they stand in the files', async () => {
    const id = await finished(['a', 'b', 'c'], [success('c'), success('a')], [failure('b')])
    expect((await listOf(client().batches.results(id, { order: 'any' }))).map((result) => result.id)).toEqual(['c', 'a', 'b'])
  })

  test('an item without a line is told of, not left out', async () => {
    const id = await finished(['a', 'b'], [success('b')])
    const [first, second] = await listOf(client().batches.results(id))
    expect(first).toMatchObject({ id: 'a', error: { name: 'NotRunError', code: 'batch_no_result' } })
    expect(second?.vector).toEqual(Float32Array.of(1))
  })

  test('a file that breaks off is read on where it broke, and nothing comes twice', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `item ${index}`)
    const id = await finished(
      ids,
      ids.map((item) => success(item)),
    )
    const whole = openai.files.get('file-out') ?? ''
    let breaks = 0
    const breakingAt =
      (share: number): Behaviour =>
      (response) => {
        breaks++
        response.writeHead(200, { 'content-length': String(Buffer.byteLength(whole)) })
        response.write(whole.slice(0, whole.length * share), () => response.socket?.resetAndDestroy())
      }
    const shares = [0.3, 0.1, 0.7, 0.7]
    double.behave([], (response, seen) => {
      const share = seen.path === '/v1/files/file-out/content' ? shares.shift() : undefined
      return share === undefined ? openai.answer(response, seen) : breakingAt(share)(response, seen)
    })
    const results = await listOf(client().batches.results(id, { order: 'any' }))
    expect(results.map((result) => result.id)).toEqual(ids)
    expect(breaks).toBe(4)
  })

  test('a file that falls silent is given up for another try, and in the end for good', async () => {
    const id = await finished(['a'], [success('a')])
    const sleeping: Behaviour = (response) => void response.writeHead(200).write('{')
    double.behave([], (response, seen) =>
      seen.path.endsWith('/file-out/content') ? sleeping(response, seen) : openai.answer(response, seen),
    )
    const error = await listOf(client({ timeoutMs: 100, maxRetries: 1 }).batches.results(id, { order: 'any' })).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ name: 'TimeoutError' })
    expect(calls().filter((call) => call.endsWith('/file-out/content'))).toHaveLength(2)
  })

  test('whoever needs no more stops, and the connection is closed', async () => {
    const id = await finished(['a'], [])
    let output: Parameters<Behaviour>[1] | undefined
    const endless: Behaviour = (response, seen) => {
      output = seen
      response.writeHead(200).write(`${JSON.stringify(success('a'))}\n`)
    }
    double.behave([], (response, seen) =>
      seen.path.endsWith('/file-out/content') ? endless(response, seen) : openai.answer(response, seen),
    )
    for await (const result of client().batches.results(id, { order: 'any' })) {
      expect(result.id).toBe('a')
      break
    }
    await vi.waitUntil(() => output?.gone)
  })

  test('an abort ends them with the reason of the signal', async () => {
    const id = await finished(['a'], [])
    double.behave([], (response, seen) =>
      seen.path.endsWith('/content') ? void response.writeHead(200).write('{') : openai.answer(response, seen),
    )
    const controller = new AbortController()
    const reading = listOf(client().batches.results(id, { signal: controller.signal }))
    await vi.waitUntil(() => double.seen.length === 2)
    controller.abort('enough')
    await expect(reading).rejects.toBe('enough')
  })

  test.each([
    ['no JSON', '{'],
    ['no id', { ...success('a'), custom_id: 1 }],
    ['no vector', { ...success('a'), response: { ...success('a').response, body: { data: [], usage: { total_tokens: 1 } } } }],
    ['neither answer nor error', { custom_id: 'a', response: null, error: null }],
  ])('a line with %s is an UnexpectedAnswerError', async (_name, line) => {
    const id = await finished(['a'], [])
    openai.files.set('file-out', typeof line === 'string' ? line : JSON.stringify(line))
    await expect(listOf(client().batches.results(id))).rejects.toMatchObject({ name: 'UnexpectedAnswerError' })
  })
})

describe('a batch that did not end well', () => {
  const become = (changes: Record<string, unknown>) => {
    const [made] = openai.batches
    if (made !== undefined) openai.batches[0] = { ...made, ...changes }
  }
  const data = [{ code: 'invalid_json_line', message: 'This line is not valid JSON.', param: null, line: 3 }]

  test('failed: waiting and results reject with what was wrong, and where', async () => {
    const { id } = await client().batches.create(['a'])
    become({ status: 'failed', errors: { object: 'list', data } })
    const expected = {
      name: 'BatchFailedError',
      problems: [{ code: 'invalid_json_line', message: 'This line is not valid JSON.', line: 3 }],
      mayBeBilled: false,
    }
    await expect(client().batches.wait(id)).rejects.toMatchObject(expected)
    await expect(listOf(client().batches.results(id))).rejects.toMatchObject(expected)
  })

  test('not finished: waiting goes on and ends at its time; results are refused', async () => {
    const { id } = await client().batches.create(['a'])
    become({ status: 'in_progress', request_counts: { total: 4, completed: 1, failed: 0 } })
    const told: unknown[] = []
    const onProgress = ({ total, completed }: { total: number; completed: number }) => void told.push([completed, total])
    const waiting = client().batches.wait(id, { timeoutMs: 80, pollMs: 5, onProgress })
    await expect(waiting).rejects.toMatchObject({ name: 'TimeoutError', message: expect.stringContaining(id) })
    expect(told).toContainEqual([1, 4])
    await expect(listOf(client().batches.results(id))).rejects.toThrow(RangeError)
  })

  test('finished already: it cannot be cancelled', async () => {
    const { id } = await client().batches.create(['a'])
    double.behave([
      (response) => void response.writeHead(409).end(JSON.stringify({ error: { message: 'It is finished.', code: 'state_conflict' } })),
    ])
    await expect(client().batches.cancel(id)).rejects.toMatchObject({ name: 'StateConflictError', status: 409, message: 'It is finished.' })
    expect(calls()).toEqual([`POST /v1/batches/${id}/cancel`])
    expect(double.seen[0]?.body).toBe('')
  })

  test('gone: a NotFoundError; and its files are deleted as far as they are there', async () => {
    await expect(client().batches.get('batch_none')).rejects.toMatchObject({ name: 'NotFoundError', message: 'There is no such resource.' })
    const { id } = await client().batches.create(['a'])
    become({ output_file_id: 'file-gone' })
    await client().batches.deleteFiles(id)
    expect(openai.files.size).toBe(0)
  })

  test('a server that is silent, or breaks off, is asked again', async () => {
    const { id } = await client().batches.create(['a'])
    double.behave([breakingOff, silent], openai.answer)
    expect((await client({ timeoutMs: 200 }).batches.get(id)).state).toBe('completed')
  })

  test('a status that there is not is an UnexpectedAnswerError', async () => {
    const { id } = await client().batches.create(['a'])
    become({ status: 'sleeping' })
    await expect(client().batches.get(id)).rejects.toMatchObject({ name: 'UnexpectedAnswerError' })
  })
})
