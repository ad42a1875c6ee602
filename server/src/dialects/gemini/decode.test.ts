import fc from 'fast-check'
import { expect, test } from 'vitest'
import { taskTypes } from '../../embedding/request.ts'
import { type DecodeOptions, decodeBatch, decodeCountTokens, decodeEmbedContent } from './decode.ts'

const model = 'gemini-embedding-001'
const decoding: DecodeOptions = { unitLength: false }
const hello = { parts: [{ text: 'hello' }] }
const embed = (body: unknown) => decodeEmbedContent(model, body, decoding)

/** A whole request by the names of its fields, and a way of writing each value that means the same. */
const plain = fc.record(
  {
    taskType: fc.constantFrom(...taskTypes),
    title: fc.string(),
    outputDimensionality: fc.integer({ min: -5, max: 4_000 }),
    autoTruncate: fc.boolean(),
    normalize: fc.boolean(),
  },
  { requiredKeys: [] },
)
const originalNames: Readonly<Record<string, string>> = {
  taskType: 'task_type',
  outputDimensionality: 'output_dimensionality',
  autoTruncate: 'auto_truncate',
  embedContentConfig: 'embed_content_config',
}

/** How often a value is written as it is, by its number or as text. */
function otherwise(value: unknown, choice: number): unknown {
  if (typeof value === 'number') return [value, String(value), `${value}.0`][choice % 3]
  const names: readonly unknown[] = taskTypes
  const number = names.indexOf(value)
  return number === -1 ? value : [value, number, String(number)][choice % 3]
}

test('a field means the same by either of its names, as a number or as text, and null is leaving it out', () => {
  fc.assert(
    fc.property(plain, fc.array(fc.nat(5), { minLength: 8, maxLength: 8 }), (fields, choices) => {
      let turn = 0
      const next = () => choices[turn++ % choices.length] ?? 0
      const respelt = Object.entries(fields).map(([name, value]) => [
        next() % 2 === 0 ? name : (originalNames[name] ?? name),
        otherwise(value, next()),
      ])
      const absent = Object.keys(originalNames).filter((name) => name !== 'embedContentConfig' && !(name in fields))
      const config = Object.fromEntries([...respelt, ...absent.map((name) => [name, null])])
      const name = next() % 2 === 0 ? 'embedContentConfig' : 'embed_content_config'
      const content = { role: next() % 2 === 0 ? 'user' : null, parts: next() % 2 === 0 ? hello.parts : hello.parts[0] }
      expect(embed({ content, [name]: config, model: null })).toEqual(embed({ content: hello, embedContentConfig: fields }))
    }),
  )
})

test('the older fields beside the configuration mean the same, and the configuration goes before them', () => {
  fc.assert(
    fc.property(plain, plain, ({ autoTruncate: _a, normalize: _n, ...older }, newer) => {
      expect(embed({ content: hello, ...older })).toEqual(embed({ content: hello, embedContentConfig: older }))
      const both = { ...older, ...newer }
      if (newer.taskType === 'TASK_TYPE_UNSPECIFIED') both.taskType = older.taskType ?? newer.taskType
      if (newer.title === '') both.title = older.title ?? ''
      expect(embed({ content: hello, ...older, embedContentConfig: newer })).toEqual(embed({ content: hello, embedContentConfig: both }))
    }),
  )
})

test('a batch of one decodes like the one, and every request keeps its purpose, title and length', () => {
  const one = { content: hello, taskType: 'CLUSTERING', title: 'T', outputDimensionality: 256 }
  expect(decodeBatch(model, { requests: [one] }, decoding).request).toEqual(embed(one).request)
  const { request } = decodeBatch(model, { requests: [one, { content: hello, outputDimensionality: 512 }] }, decoding)
  expect(request).toMatchObject({
    inputs: ['hello', 'hello'],
    taskType: ['CLUSTERING', 'TASK_TYPE_UNSPECIFIED'],
    titles: ['T', undefined],
    dimensions: [256, 512],
  })
})

test('several parts of one content are one text, a line each', () => {
  expect(embed({ content: { parts: [{ text: 'a b' }, { text: 'c' }] } }).request.inputs).toEqual(['a b\nc'])
  const contents = [hello, { parts: [{ text: 'a' }, { text: 'b' }] }]
  expect(decodeCountTokens(model, { contents }, { inputsMax: 2 })).toEqual(['hello', 'a\nb'])
  expect(decodeCountTokens(model, { generate_content_request: { model: `models/${model}`, contents } }, { inputsMax: 2 })).toHaveLength(2)
})

test.each([
  [{ autoTruncate: false }, { truncate: 'error' }],
  [{}, { truncate: 'end', normalize: false }],
  [{ normalize: true }, { normalize: true }],
  [{ documentOcr: false, audioTrackExtraction: false }, { truncate: 'end' }],
])('the configuration %j means %j', (embedContentConfig, expected) => {
  expect(embed({ content: hello, embedContentConfig }).request).toMatchObject(expected)
})

const unknown = (name: string, where: string, why = 'Cannot find field.') =>
  `Invalid JSON payload received. Unknown name "${name}"${where === '' ? '' : ` at '${where}'`}: ${why}`
const taskTypeName = 'type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType'

test.each([
  [[], '', 'Invalid JSON payload received. Unknown name "": Root element must be a message.'],
  [{ content: hello, foo: 1 }, '', unknown('foo', '')],
  [{ content: { parts: [{ text: 'a' }, { words: 'b' }] } }, 'content.parts[1]', unknown('words', 'content.parts[1]')],
  [{ content: hello, embedContentConfig: { dims: 1 } }, 'embed_content_config', unknown('dims', 'embed_content_config')],
  [
    { content: { parts: [{ text: ['a'] }] } },
    'content.parts[0]',
    unknown('text', 'content.parts[0]', 'Proto field is not repeating, cannot start list.'),
  ],
  [{ content: [hello] }, '', unknown('content', '', 'Proto field is not repeating, cannot start list.')],
  [{ content: 'hello' }, 'content', "Invalid value at 'content' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content)"],
  [{ content: { parts: [{ text: 3 }] } }, 'content.parts[0].text', "Invalid value at 'content.parts[0].text' (TYPE_STRING), 3"],
  [{ content: hello, taskType: 'FOO' }, 'task_type', `Invalid value at 'task_type' (${taskTypeName}), "FOO"`],
  [{ content: hello, taskType: 9 }, 'task_type', `Invalid value at 'task_type' (${taskTypeName}), 9`],
  [{ content: hello, outputDimensionality: 7.5 }, 'output_dimensionality', "Invalid value at 'output_dimensionality' (TYPE_INT32), 7.5"],
  [{ content: hello, outputDimensionality: 2 ** 31 }, 'output_dimensionality', undefined],
  [{ content: hello, outputDimensionality: 'many' }, 'output_dimensionality', "Invalid value at 'output_dimensionality' (TYPE_INT32)"],
  [{ content: hello, title: 'a', task_type: 1, taskType: 2 }, '', unknown('taskType', '', 'The field was given before, as "task_type".')],
  [{}, 'content', '* EmbedContentRequest.content: content is not specified'],
  [{ content: { parts: [] } }, 'content', 'EmbedContentRequest.content contains no Part.'],
  [{ content: { parts: [{}] } }, 'content.parts[0]', 'EmbedContentRequest.content contains an empty Part.'],
  [{ content: { parts: [{ text: 'a' }, { text: '' }] } }, 'content.parts[1]', 'EmbedContentRequest.content contains an empty Part.'],
  [{ content: { parts: [{ inline_data: { data: '' } }] } }, 'content.parts[0].inline_data', undefined],
  [{ content: hello, model: 'models/other' }, 'model', undefined],
  [{ content: hello, embedContentConfig: { documentOcr: true } }, 'embed_content_config', undefined],
])('%j is refused at "%s"', (body, field, message) => {
  const error = expect.objectContaining({ code: 'invalid_request', details: { field } })
  expect(() => embed(body)).toThrow(message === undefined ? error : expect.objectContaining({ details: { field }, message }))
})

test.each([
  [{ requests: [] }, 'requests', '* BatchEmbedContentsRequest.requests: requests is not specified'],
  [{}, 'requests', '* BatchEmbedContentsRequest.requests: requests is not specified'],
  [
    { requests: Array(101).fill({ content: hello }) },
    'requests',
    '* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch',
  ],
  [{ requests: [{ content: hello }, { content: hello, model: 'models/x' }] }, 'requests[1].model', undefined],
  [{ requests: [{ content: hello }, { content: hello, embedContentConfig: { autoTruncate: false } }] }, 'requests[1]', undefined],
])('a batch is refused at "%2$s"', (body, field, message) => {
  const error = expect.objectContaining({ code: 'invalid_request', details: { field }, ...(message === undefined ? {} : { message }) })
  expect(() => decodeBatch(model, body, decoding)).toThrow(error)
})

test('no text to embed is ever repeated in a refusal', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 12, unit: fc.constantFrom('q', 'z') }), (secret) => {
      const bodies = [
        { content: secret },
        { content: { parts: secret } },
        { content: { parts: [{ text: { secret } }] } },
        { content: hello, title: [secret] },
        { content: { parts: [{ text: secret }, {}] } },
      ]
      for (const body of bodies) {
        const refusal = expect.objectContaining({ message: expect.not.stringContaining(secret) })
        expect(() => embed(body)).toThrow(refusal)
      }
    }),
  )
})

test('whatever the body is, it is decoded or refused with a place, and a vector is asked for every text', () => {
  const names = ['content', 'contents', 'parts', 'text', 'model', 'requests', 'taskType', 'title', 'embed_content_config', 'constructor']
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(null, true, 1, Number.POSITIVE_INFINITY, -0, '', 'a', '1', 'CLUSTERING', model),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('value')),
      fc.record({ content: tie('content') }),
      fc.record({ requests: fc.array(fc.record({ content: tie('content') }), { maxLength: 3 }) }),
    ),
    content: fc.oneof(fc.record({ parts: fc.array(fc.record({ text: fc.string() }), { maxLength: 2 }) }), tie('value')),
  }))
  fc.assert(
    fc.property(value, (body) => {
      for (const decode of [embed, (one: unknown) => decodeBatch(model, one, decoding)]) {
        try {
          const { inputs, taskType, titles } = decode(body).request
          expect(inputs.length).toBeGreaterThan(0)
          expect(inputs.every((text) => text.length > 0)).toBe(true)
          expect([taskType.length, titles?.length]).toEqual([inputs.length, inputs.length])
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'invalid_request', details: { field: expect.any(String) } })
        }
      }
    }),
    { numRuns: 2_000 },
  )
})
