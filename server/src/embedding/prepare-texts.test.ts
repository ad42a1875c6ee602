import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Deployment } from '../models/model.ts'
import { upstreamDeployments } from '../models/upstream-catalogue.ts'
import { readUpstreamSettings } from '../upstream-settings.ts'
import { prepareTexts } from './prepare-texts.ts'
import type { EmbedRequest } from './request.ts'

const [first, second] = upstreamDeployments(readUpstreamSettings({ GEMINI_API_KEY: 'k' })) as [Deployment, Deployment]
const request = (inputs: readonly string[], rest: Partial<EmbedRequest> = {}): EmbedRequest => ({
  ...{ deployment: first.name, inputs, taskType: 'TASK_TYPE_UNSPECIFIED', dimensions: undefined, outputType: 'float', truncate: 'end' },
  ...rest,
})

test('every text is a sequence of its own, whole, with its purpose and title beside it', async () => {
  const asked = request(['a', 'b'], { taskType: ['RETRIEVAL_DOCUMENT', 'RETRIEVAL_QUERY'], titles: ['T', undefined] })
  const { sequences, reports, estimated } = await prepareTexts(asked, first)
  expect(sequences).toEqual([
    { text: 'a', taskType: 'RETRIEVAL_DOCUMENT', title: 'T' },
    { text: 'b', taskType: 'RETRIEVAL_QUERY' },
  ])
  expect(reports).toHaveLength(2)
  expect(estimated).toBe(true)
})

test('what gemini-embedding-2 would take as a field and ignore is written before the text', async () => {
  const asked = request(['a', 'b', 'c'], { taskType: ['RETRIEVAL_DOCUMENT', 'RETRIEVAL_QUERY', 'TASK_TYPE_UNSPECIFIED'], titles: ['T'] })
  const { sequences } = await prepareTexts(asked, second)
  expect(sequences).toEqual([{ text: 'title: T | text: a' }, { text: 'task: search result | query: b' }, { text: 'c' }])
})

test('cuts of gemini-embedding-2 are of unit length, those of gemini-embedding-001 as the dialect has them', async () => {
  const asked = request(['a'], { dimensions: 256, normalize: false })
  expect((await prepareTexts(asked, first)).unitLength).toBe(false)
  expect((await prepareTexts(asked, second)).unitLength).toBe(true)
})

test('a title of what is no document is refused, for it would be ignored', async () => {
  const asked = request(['a'], { taskType: 'RETRIEVAL_QUERY', titles: ['T'] })
  await expect(prepareTexts(asked, first)).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'title', index: 0 } })
})

test('texts that differ only past the limit are sent as the same text, say that they were cut, and are billed for the limit', async () => {
  const long = 'many words make a text long '.repeat(1_000)
  const { sequences, reports } = await prepareTexts(request([`${long}x`, `${long}y`]), first)
  expect(sequences[0]).toEqual(sequences[1])
  expect(reports.map(({ truncated, tokensUsed }) => [truncated, tokensUsed])).toEqual([
    [true, 2048],
    [true, 2048],
  ])
  await expect(prepareTexts(request([long], { truncate: 'error' }), first)).rejects.toMatchObject({ code: 'input_too_long' })
})

test('near the limit, where an estimate may be wrong, a note says so', async () => {
  const near = 'word '.repeat(1_900)
  expect((await prepareTexts(request([near]), first)).warnings).toEqual([expect.stringContaining('near the limit')])
  expect((await prepareTexts(request(['word '.repeat(300)]), first)).warnings).toEqual([])
})

test('whatever a text is made of, what is sent is well formed, no longer than the text, and has an exact price', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary', minLength: 1 }), { minLength: 1 }), async (texts) => {
      const inputs = texts.filter((text) => text.trim() !== '')
      if (inputs.length === 0) return
      const { sequences, reports, tokensBilled } = await prepareTexts(request(inputs), first)
      expect(sequences.map(({ text }) => text)).toEqual(inputs.map((text) => text.toWellFormed()))
      expect(tokensBilled).toBe(reports.reduce((sum, { tokensUsed }) => sum + tokensUsed, 0))
      for (const { tokensUsed } of reports) expect(tokensUsed).toBeGreaterThan(0)
    }),
  )
  await expect(prepareTexts(request(['a', ' ']), first)).rejects.toMatchObject({ code: 'invalid_request', details: { index: 1 } })
})
