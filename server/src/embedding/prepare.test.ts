import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allMiniLmL6V2 } from '../models/catalogue.ts'
import type { Deployment } from '../models/model.ts'
import type { Tokenizer } from './embedder.ts'
import { prepare } from './prepare.ts'
import type { EmbedRequest } from './request.ts'

/** A token per character, its code: long texts are cheap to write. */
const characters: Tokenizer = {
  startIds: [-1],
  endIds: [-2],
  encode: (text, tokensMax = Number.POSITIVE_INFINITY) =>
    Int32Array.from([...text].slice(0, tokensMax), (character) => character.charCodeAt(0)),
}
const pooled: Deployment = {
  name: 'wide',
  model: { ...allMiniLmL6V2, name: 'small', dimensions: 4, windowTokens: 12 },
  standIn: true,
  dimensionsMin: 2,
  dimensionsMax: 8,
  dimensionsDefault: 8,
  inputTokensMax: 95,
  longInputs: 'pooled',
}
const cut: Deployment = { ...pooled, name: 'small', standIn: false, longInputs: 'cut' }

function request(inputs: readonly string[], rest: Partial<EmbedRequest> = {}): EmbedRequest {
  return {
    deployment: 'wide',
    inputs,
    taskType: 'TASK_TYPE_UNSPECIFIED',
    dimensions: undefined,
    outputType: 'float',
    truncate: 'end',
    ...rest,
  }
}

const texts = fc.array(fc.string({ minLength: 1, maxLength: 500, unit: fc.constantFrom('a', 'b', 'c') }), { minLength: 1, maxLength: 8 })

describe('prepare', () => {
  it('reads every token that counts exactly once, in order, in windows the model can hold', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (inputs) => {
        const { reports, sequences } = await prepare(request(inputs), pooled, characters)
        let next = 0
        for (const [index, report] of reports.entries()) {
          const windows = sequences.slice(next, next + report.windows)
          next += report.windows
          for (const window of windows) {
            expect(window.length).toBeLessThanOrEqual(pooled.model.windowTokens)
            expect([window[0], window.at(-1)]).toEqual([-1, -2])
          }
          const read = windows.flatMap((window) => [...window.slice(1, -1)])
          expect(read).toEqual([...characters.encode(inputs[index] ?? '', pooled.inputTokensMax)])
          expect(report.tokensUsed).toBe(read.length + 2)
          const sizes = windows.map((window) => window.length)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        }
        expect(next).toBe(sequences.length)
      }),
    )
  })

  it('bills the tokens that go into the vectors, and no others', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom(pooled, cut), async (inputs, deployment) => {
        const { reports, tokensBilled } = await prepare(request(inputs), deployment, characters)
        expect(tokensBilled).toBe(reports.reduce((sum, report) => sum + report.tokensUsed, 0))
        for (const report of reports) expect(report.truncated).toBe(report.tokensUsed < report.tokensSeen)
      }),
    )
  })

  it('reads only the first window under the own name of a model', async () => {
    const { reports, sequences } = await prepare(request(['a'.repeat(30)]), cut, characters)
    expect(reports).toEqual([{ tokensSeen: 32, tokensUsed: 12, truncated: true, windows: 1 }])
    expect(sequences.map((window) => window.length)).toEqual([12])
  })

  it('shortens what passes the limit and says so, or refuses it and names the input, its tokens and the limit', async () => {
    const inputs = ['a', 'a'.repeat(96)]
    const { reports } = await prepare(request(inputs), pooled, characters)
    expect(reports[1]).toEqual({ tokensSeen: 98, tokensUsed: 97, truncated: true, windows: 10 })
    await expect(prepare(request(inputs, { truncate: 'error' }), pooled, characters)).rejects.toMatchObject({
      code: 'input_too_long',
      message: expect.stringMatching(/^Input 1 has 96 tokens; wide accepts 95/),
      details: { field: 'input', index: 1, tokens: 96, tokensMax: 95 },
    })
    await expect(prepare(request(['a'.repeat(95)], { truncate: 'error' }), pooled, characters)).resolves.toBeDefined()
  })

  it('counts a text far over the limit only so far, and calls the number a lower bound', async () => {
    const { reports } = await prepare(request(['a'.repeat(5_000)]), pooled, characters)
    expect(reports[0]?.tokensSeen).toBe(4 * 95 + 2)
    await expect(prepare(request(['a'.repeat(5_000)], { truncate: 'error' }), pooled, characters)).rejects.toThrow('at least 380 tokens')
  })

  it('refuses an input without a token and names it', async () => {
    await expect(prepare(request(['a', '']), pooled, characters)).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field: 'input', index: 1 },
    })
  })

  it('refuses dimensions outside the range and takes the default where none are asked for', async () => {
    for (const dimensions of [1, 9, 2.5, Number.NaN]) {
      await expect(prepare(request(['a'], { dimensions }), pooled, characters)).rejects.toMatchObject({
        code: 'invalid_request',
        details: { field: 'dimensions' },
      })
    }
    expect((await prepare(request(['a']), pooled, characters)).dimensions).toEqual([8])
    expect((await prepare(request(['a'], { dimensions: 2 }), pooled, characters)).dimensions).toEqual([2])
  })

  it('warns of what the caller asked for and did not get, and of nothing else', async () => {
    expect((await prepare(request(['a'], { dimensions: 4 }), pooled, characters)).warnings).toEqual([])
    expect((await prepare(request(['a'], { taskType: 'RETRIEVAL_QUERY' }), pooled, characters)).warnings).toEqual([
      expect.stringContaining('RETRIEVAL_QUERY had no effect'),
      expect.stringContaining('The last 4 of 8 numbers are zero'),
    ])
    const cut = request(['a'], { dimensions: 1 })
    const wide = { ...pooled, dimensionsMin: 1 }
    expect((await prepare(cut, wide, characters)).warnings).toEqual([expect.stringContaining('nearfield models rotate')])
    expect((await prepare(cut, { ...wide, model: { ...wide.model, matryoshka: [1] } }, characters)).warnings).toEqual([])
    expect((await prepare(cut, { ...wide, standIn: false, name: 'turned' }, characters)).warnings).toEqual([])
  })

  describe('with prompts', () => {
    const model = { ...pooled.model, prompts: { RETRIEVAL_QUERY: 'q:', RETRIEVAL_DOCUMENT: '' } }
    const prompted: Deployment = { ...pooled, model }
    const plain = (window: Int32Array | undefined) => String.fromCharCode(...(window ?? []).slice(1, -1))

    it('puts the prompt of its purpose before each text, counts and bills it', async () => {
      const taskType = ['RETRIEVAL_QUERY', 'RETRIEVAL_DOCUMENT', 'TASK_TYPE_UNSPECIFIED'] as const
      const { sequences, reports, tokensBilled, warnings } = await prepare(
        request(['abc', 'abc', 'abc'], { taskType }),
        prompted,
        characters,
      )
      expect(sequences.map(plain)).toEqual(['q:abc', 'abc', 'abc'])
      expect(reports.map(({ tokensUsed }) => tokensUsed)).toEqual([7, 5, 5])
      expect(tokensBilled).toBe(17)
      expect(warnings.filter((warning) => warning.includes('task type'))).toEqual([])
    })

    it('leads every window of a long text with the prompt, and bills it once', async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ minLength: 1, maxLength: 93, unit: fc.constantFrom('a', 'b') }), async (text) => {
          const prepared = await prepare(request([text], { taskType: 'RETRIEVAL_QUERY' }), prompted, characters)
          const { sequences, contents, tokensBilled } = prepared
          for (const window of sequences) expect(window.length).toBeLessThanOrEqual(model.windowTokens)
          expect(sequences.every((window) => plain(window).startsWith('q:'))).toBe(true)
          expect(sequences.map((window) => plain(window).slice(2)).join('')).toBe(text)
          expect(contents.map((ids) => String.fromCharCode(...ids))).toEqual([`q:${text}`])
          expect(tokensBilled).toBe(text.length + 'q:'.length + 2)
        }),
      )
    })

    it('refuses an empty text, prompt or not', async () => {
      await expect(prepare(request(['a', ''], { taskType: 'RETRIEVAL_QUERY' }), prompted, characters)).rejects.toMatchObject({
        code: 'invalid_request',
        details: { field: 'input', index: 1 },
      })
    })

    it('warns of a purpose only where the card has no prompt for it', async () => {
      const { warnings } = await prepare(request(['a'], { taskType: 'CLUSTERING', dimensions: 4 }), prompted, characters)
      expect(warnings).toEqual(['The task type CLUSTERING had no effect: small knows no prompt for it.'])
    })
  })
})
