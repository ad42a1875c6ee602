import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../time.ts'
import { NotRecordedError, type Provider, UpstreamError, type UpstreamText } from './provider.ts'
import { recordProvider } from './record-provider.ts'
import { RecordingFile } from './recording-file.ts'
import { itemOf, RecordingError } from './recording-line.ts'
import { replayProvider } from './replay-provider.ts'

// What was recorded is answered again to the bit without an upstream; what was not is an error that names it.

const model = { model: 'far-model', dimensions: 6 }
const limits = { bytesMax: 10_000_000, outcomesMax: 10_000 }
const alive = new AbortController().signal
let folder: string
let file: string
let troubles: string[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-recording-'))
  file = path.join(folder, 'far.jsonl')
  troubles = []
})
afterEach(() => rm(folder, { recursive: true }))

/** An upstream whose vector depends on all of a text and on nothing else; `calls` is what it was asked. */
function upstream(fail?: (texts: readonly UpstreamText[], call: number) => UpstreamError | undefined) {
  const calls: (readonly UpstreamText[])[] = []
  const provider: Provider = {
    textsMax: 100,
    embed: async (texts) => {
      calls.push(texts)
      const failure = fail?.(texts, calls.length)
      if (failure !== undefined) throw failure
      return { vectors: texts.map(vectorOf), tokens: texts.reduce((sum, { text }) => sum + text.length + 1, 0) }
    },
  }
  return { provider, calls }
}

function vectorOf(text: UpstreamText): Float32Array {
  const bytes = createHash('sha256').update(JSON.stringify(text)).digest()
  return Float32Array.from({ length: model.dimensions }, (_, index) => (bytes.readInt32LE(index * 4) / 2 ** 31) ** 3)
}

async function record(calls: readonly (readonly UpstreamText[])[], provider = upstream().provider, room = limits): Promise<void> {
  await using recording = await RecordingFile.toRecord(file, room)
  const recorder = recordProvider({ provider, model, recording, clock: systemClock, onTrouble: (sentence) => troubles.push(sentence) })
  for (const texts of calls) await recorder.embed(texts, alive).catch(onlyUpstream)
}

function onlyUpstream(thrown: unknown): void {
  if (!(thrown instanceof UpstreamError)) throw thrown
}

interface Replaying {
  readonly failures?: boolean
  readonly waits?: number[]
}

async function openReplay({ failures = false, waits }: Replaying = {}): Promise<Provider & AsyncDisposable> {
  const recording = await RecordingFile.toReplay(file, limits)
  const wait = async (ms: number) => void waits?.push(ms)
  const provider = replayProvider({ model, recording, textsMax: 100, failures, latency: waits !== undefined, wait })
  return { ...provider, [Symbol.asyncDispose]: () => recording[Symbol.asyncDispose]() }
}

const failureOf = (provider: Provider, ...texts: string[]) =>
  provider
    .embed(
      texts.map((text) => ({ text })),
      alive,
    )
    .then(
      () => 'answered',
      (error: unknown) => (error instanceof UpstreamError ? error.failure : String(error)),
    )

const textArbitrary: fc.Arbitrary<UpstreamText> = fc.record(
  {
    text: fc.string({ unit: 'binary', maxLength: 12 }),
    taskType: fc.constantFrom('RETRIEVAL_QUERY', 'RETRIEVAL_DOCUMENT'),
    title: fc.string({ maxLength: 4 }),
  },
  { requiredKeys: ['text'] },
)
const callsOf = (texts: readonly UpstreamText[], sizes: readonly number[]) => {
  const calls: UpstreamText[][] = []
  let turn = 0
  for (let from = 0; from < texts.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    calls.push(texts.slice(from, from + size))
    from += size
  }
  return calls
}

describe('replaying', () => {
  test('a text gets the recorded bits, however texts are put together in calls, then and now', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
    const cases = fc.record({
      texts: fc.uniqueArray(textArbitrary, { minLength: 1, maxLength: 12 }),
      recorded: sizes,
      replayed: sizes,
      order: fc.infiniteStream(fc.nat()),
    })
    let run = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ texts, recorded, replayed, order }) => {
        file = path.join(folder, `${run++}.jsonl`)
        await record(callsOf(texts, recorded))
        await using replay = await openReplay()
        const shuffled = texts.map((text) => ({ text, place: order.next().value ?? 0 })).sort((a, b) => a.place - b.place)
        const wanted = shuffled.map(({ text }) => text)
        for (const call of callsOf(wanted, replayed)) {
          expect((await replay.embed(call, alive)).vectors).toEqual(call.map(vectorOf))
        }
        expect(troubles).toEqual([])
      }),
      { numRuns: 40 },
    )
  })

  test('a text that is not recorded is an error that names its place and its item; another purpose or title is another text', async () => {
    await record([[{ text: 'one' }, { text: 'two', taskType: 'RETRIEVAL_QUERY' }]])
    await using replay = await openReplay()
    for (const stranger of [{ text: 'three' }, { text: 'one', taskType: 'RETRIEVAL_QUERY' }, { text: 'one', title: 'one' }] as const) {
      const error = await replay.embed([{ text: 'one' }, stranger], alive).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(NotRecordedError)
      expect(error).toMatchObject({ failure: 'not_recorded', position: 1, item: expect.stringMatching(/^[0-9a-f]{32}$/) })
      expect(String(error)).not.toContain('three')
    }
  })

  test('tokens of the recorded calls are shared out among their texts and add up to what the upstream counted', async () => {
    const texts = ['a', 'a much longer text than that', 'bb', 'ccc ccc'].map((text) => ({ text }))
    await record([texts])
    await using replay = await openReplay()
    const counts: number[] = []
    for (const text of texts) counts.push((await replay.embed([text], alive)).tokens ?? Number.NaN)
    expect(counts.reduce((sum, count) => sum + count)).toBe((await upstream().provider.embed(texts, alive)).tokens)
    expect(Math.min(...counts)).toBeGreaterThan(0)
  })

  test('failures are left out where an answer followed, and replayed in their order where that is wanted', async () => {
    const busy = new UpstreamError('rate_limited', 'too often', { status: 429, retryAfterMs: 1234.4 })
    const bad = new UpstreamError('invalid_text', 'not this one', { status: 400 })
    const { provider } = upstream((texts, call) => (call === 1 ? busy : texts.some(({ text }) => text === 'bad') ? bad : undefined))
    const good = { text: 'good' }
    await record([[good], [good, { text: 'bad' }], [{ text: 'bad' }], [good]], provider)

    await using calm = await openReplay()
    expect((await calm.embed([good], alive)).vectors).toEqual([vectorOf(good)])
    expect(await failureOf(calm, 'bad')).toBe('invalid_text')
    await using faithful = await openReplay({ failures: true })
    const first = await faithful.embed([good], alive).catch((thrown: unknown) => thrown)
    expect(first).toMatchObject({ failure: 'rate_limited', status: 429, retryAfterMs: 1234 })
    for (let again = 0; again < 3; again++) expect((await faithful.embed([good], alive)).vectors).toEqual([vectorOf(good)])
    expect(await failureOf(faithful, 'good', 'bad')).toBe('invalid_text')
  })

  test('with latency a call waits as long as the slowest of the recorded ones, without it not at all', async () => {
    const line = (item: string, ms: number) => `${JSON.stringify({ item, model: 'far-model', ms, vector: 'AACAPw==' })}\n`
    await record([])
    const [header] = (await readFile(file, 'utf8')).split('\n')
    const salt = Buffer.from(JSON.parse(header ?? '').salt, 'base64')
    await writeFile(file, `${header}\n${line(itemOf({ text: 'a' }, model, salt), 17)}${line(itemOf({ text: 'b' }, model, salt), 4)}`)
    const waits: number[] = []
    await using slow = await openReplay({ waits })
    await slow.embed([{ text: 'b' }, { text: 'a' }], alive)
    expect(waits).toEqual([17])
  })

  test('a call that was given up rejects with its reason', async () => {
    await record([[{ text: 'one' }]])
    await using replay = await openReplay()
    await expect(replay.embed([{ text: 'one' }], AbortSignal.abort('given up'))).rejects.toBe('given up')
  })
})

describe('the file', () => {
  test('holds no text, and two recordings name the same text differently', async () => {
    await record([[{ text: 'a secret of ours', title: 'its heading', taskType: 'CLUSTERING' }]])
    const first = await readFile(file, 'utf8')
    for (const part of ['secret', 'heading', 'CLUSTERING']) expect(first).not.toContain(part)
    const names = (text: string) => text.split('\n').flatMap((line) => (line === '' ? [] : (JSON.parse(line).item ?? [])))
    file = `${file}.other`
    await record([[{ text: 'a secret of ours', title: 'its heading', taskType: 'CLUSTERING' }]])
    expect(names(first)).toHaveLength(1)
    expect(names(await readFile(file, 'utf8'))).not.toEqual(names(first))
  })

  test('grows at its end alone, and not at all when the same answers are recorded again', async () => {
    await record([[{ text: 'one' }, { text: 'two' }]])
    const before = await readFile(file, 'utf8')
    await record([[{ text: 'two' }], [{ text: 'one' }]])
    expect(await readFile(file, 'utf8')).toBe(before)
    await record([[{ text: 'three' }]])
    const after = await readFile(file, 'utf8')
    expect(after.slice(0, before.length)).toBe(before)
    expect(after.slice(before.length).split('\n')).toHaveLength(2)
  })

  test('wherever writing was cut off, what was whole is replayed, and recording goes on behind it', async () => {
    await record([[{ text: 'one' }], [{ text: 'two' }]])
    const whole = await readFile(file)
    const ends = [...whole.keys()].filter((place) => whole[place] === 10).map((place) => place + 1)
    for (let cut = ends[0] ?? 0; cut <= whole.length; cut++) {
      await writeFile(file, whole.subarray(0, cut))
      const kept = ends.filter((end) => end <= cut).length - 1
      {
        await using replay = await openReplay()
        expect(await Promise.all([failureOf(replay, 'one'), failureOf(replay, 'two')])).toEqual([
          kept > 0 ? 'answered' : 'not_recorded',
          kept > 1 ? 'answered' : 'not_recorded',
        ])
      }
      await record([[{ text: 'two' }]])
      await using replay = await openReplay()
      expect(await failureOf(replay, 'two')).toBe('answered')
    }
    await writeFile(file, whole.subarray(0, 10))
    await expect(openReplay()).rejects.toThrow('is empty')
    await record([[{ text: 'one' }]])
    await using replay = await openReplay()
    expect(await failureOf(replay, 'one')).toBe('answered')
  })

  test('a line that was damaged, and a file that is none, are refused by name', async () => {
    await expect(openReplay()).rejects.toThrow(`${file} cannot be read. Record it first`)
    await record([[{ text: 'one' }], [{ text: 'two' }]])
    const lines = (await readFile(file, 'utf8')).split('\n')
    for (const damaged of [
      '<<<<<<< ours',
      '{}',
      lines[1]?.replace('"vector":"', '"vector":"!'),
      lines[1]?.replace(/"item":"./, '"item":"x'),
    ]) {
      await writeFile(file, [lines[0], damaged, lines[2], ''].join('\n'))
      await expect(openReplay(), damaged).rejects.toThrow('line 2, is damaged')
    }
    await writeFile(file, '{"some":"thing"}\n')
    await expect(openReplay()).rejects.toThrow('is not a recording')
  })

  test('one process records at a time, and the next may when it has ended', async () => {
    const first = await RecordingFile.toRecord(file, limits)
    await expect(RecordingFile.toRecord(file, limits)).rejects.toThrow('Another process records into')
    await first[Symbol.asyncDispose]()
    await record([[{ text: 'one' }]])
  })

  test('a full one refuses before the upstream is asked, and one that is too large is not opened', async () => {
    const { provider, calls } = upstream()
    await record([[{ text: 'one' }], [{ text: 'two' }], [{ text: 'three' }]], provider, { ...limits, outcomesMax: 2 })
    expect(calls).toHaveLength(2)
    await expect(RecordingFile.toReplay(file, { ...limits, bytesMax: 100 })).rejects.toThrow(RecordingError)
    await expect(RecordingFile.toReplay(file, { ...limits, outcomesMax: 1 })).rejects.toThrow('more than 1 lines')
  })

  test('calls that are answered at once are all written, and an aborted or refused one leaves nothing', async () => {
    const refused = new UpstreamError('refused', 'the key')
    const { provider } = upstream((texts) => (texts.some(({ text }) => text === 'no') ? refused : undefined))
    {
      await using recording = await RecordingFile.toRecord(file, limits)
      const recorder = recordProvider({ provider, model, recording, clock: systemClock, onTrouble: (sentence) => troubles.push(sentence) })
      const calls = Array.from({ length: 50 }, (_, index) => recorder.embed([{ text: `text ${index}` }], alive))
      await Promise.all([...calls, recorder.embed([{ text: 'no' }], alive).catch(onlyUpstream)])
    }
    expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(1 + 50 + 1)
    await using replay = await openReplay()
    expect((await replay.embed([{ text: 'text 49' }], alive)).vectors).toEqual([vectorOf({ text: 'text 49' })])
    expect(await failureOf(replay, 'no')).toBe('not_recorded')
  })
})
