import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Nearfield, UnexpectedAnswerError } from '../src/nearfield.ts'

const headers = { 'x-cost': '0.000000001', 'x-remaining-credits': '4' }
const clientOf = (body: string) => new Nearfield({ apiKey: 'nf_live_test', fetch: async () => new Response(body, { headers }) })

/** True answers, of which a field is taken away or made into something else. */
const about = { model: 'm', space: 'm/1', warnings: ['w'] }
const usage = { total_tokens: 2, cached_tokens: 0 }
const tokens = { promptTokenCount: 2, cachedContentTokenCount: 0 }
const oneVector = { embeddings: [{ values: 'AACAPw==' }], truncatedInputs: [0], usageMetadata: tokens, ...about }
const result = { token_ids: [1, 2], tokens: 2, tokens_used: 2, truncated: false, windows: 1 }
const fits = { credits: true, requests_per_minute: true, tokens_per_minute: true, deadline: true }
const sums = { tokens: 2, cached_tokens: 0, cost_dollars: '0.1', balance_dollars: '2', predicted_wait_ms: null, windows: 1, truncated: [0] }
const dimensions = { min: 1, max: 2, default: 2, trained: [1] }
const price = { dollars_per_million_tokens: 1, dollars_per_million_cached_tokens: 1 }
const described = { description: '', licence: '', state: 'warm', parity: null, precision: 'int8', long_inputs: 'cut', task_types: ['A'] }
const model = { id: 'm', served_by: 'm', stand_in: false, input_tokens_max: 1, window_tokens: 1, dimensions, price, ...described }

const calls: readonly (readonly [string, object, (client: Nearfield) => Promise<unknown>])[] = [
  ['embed', oneVector, (client) => client.embed('a')],
  ['embedMany', oneVector, (client) => client.embedMany(['a'])],
  ['similarity', { scores: [[1]], truncated: ['inputs[0]'], usage, ...about }, (client) => client.similarity({ texts: ['a'] })],
  [
    'rerank',
    { results: [{ index: 0, relevance_score: 1 }], scored_by: 's', truncated: [], usage, ...about },
    (client) => client.rerank('a', ['b']),
  ],
  ['tokenize', { model: 'm', results: [result], tokens_used: 2, warnings: [] }, (client) => client.tokenize(['a'])],
  ['estimate', { ...about, ...sums, fits: true, would_fit: fits }, (client) => client.estimate(['a'])],
  ['models', { data: [model] }, (client) => client.models()],
  ['credits', { credits: 1, 'free-credits': 2 }, (client) => client.credits()],
]

test.each(calls)('%s reads a true answer', async (_, answer, call) => {
  await expect(call(clientOf(JSON.stringify(answer)))).resolves.toBeDefined()
})

test.each(calls)('%s refuses an answer that lacks a field it reads, and names the place', async (_, answer, call) => {
  for (const [place, broken] of lackingOneField(answer)) {
    const error: unknown = await call(clientOf(JSON.stringify(broken))).catch((thrown: unknown) => thrown)
    if (['parity', 'precision', 'predicted_wait_ms'].some((optional) => place.endsWith(optional))) continue
    expect(error, place).toBeInstanceOf(UnexpectedAnswerError)
    expect(String(error), place).toContain(place)
  }
})

test.each(calls)('%s gives an answer of its own types or an UnexpectedAnswerError, whatever comes', async (_, answer, call) => {
  const anything = fc.oneof(
    fc.json(),
    fc.string(),
    fc.jsonValue().chain((value) => withFieldReplaced(answer, value)),
  )
  await fc.assert(
    fc.asyncProperty(anything, async (body) => {
      const error: unknown = await call(clientOf(body)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (error !== undefined) expect(error).toBeInstanceOf(UnexpectedAnswerError)
    }),
    { numRuns: 200 },
  )
})

test.each(['', '-1', 'NaN', '1e3', '0x1', '1.'])('an amount of %j is none', async (amount) => {
  const estimate = { ...about, ...sums, fits: true, would_fit: fits, cost_dollars: amount }
  await expect(clientOf(JSON.stringify(estimate)).estimate(['a'])).rejects.toThrow('cost_dollars')
  const fetch = async () => new Response(JSON.stringify(oneVector), { headers: { ...headers, 'x-cost': amount } })
  await expect(new Nearfield({ apiKey: 'nf_live_test', fetch }).embed('a')).rejects.toThrow('x-cost')
})

/** The answer without one of its fields, for each of them, also within its objects. */
function lackingOneField(answer: object): [place: string, broken: object][] {
  return Object.entries(answer).flatMap(([name, value]): [string, object][] => {
    const rest = Object.fromEntries(Object.entries(answer).filter(([other]) => other !== name))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    const within = isObject
      ? lackingOneField(value).map(([place, broken]): [string, object] => [`${name}.${place}`, { ...answer, [name]: broken }])
      : []
    return [[name, rest], ...within]
  })
}

function withFieldReplaced(answer: object, value: unknown): fc.Arbitrary<string> {
  return fc.constantFrom(...Object.keys(answer)).map((name) => JSON.stringify({ ...answer, [name]: value }))
}
