import { expect, test } from 'vitest'
import { allMiniLmL6V2 as card } from './cards.ts'
import { readGoldenTexts } from './golden.ts'
import { decodeRotation, encodeRotation, fitRotation, modelFingerprint, readRotation } from './rotation.ts'

async function committed() {
  const rotation = await readRotation(card)
  if (rotation === undefined) throw new Error('the model has a rotation')
  return rotation
}

test('the committed rotation is orthogonal, so it changes no cosine', async () => {
  const { matrix, size } = await committed()
  let worst = 0
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let product = 0
      for (let k = 0; k < size; k++) product += (matrix[i * size + k] ?? 0) * (matrix[j * size + k] ?? 0)
      worst = Math.max(worst, Math.abs(product - (i === j ? 1 : 0)))
    }
  }
  expect(worst).toBeLessThan(1e-6)
})

test('two thirds of its numbers hold nearly all of a vector, where a plain cut holds two thirds', async () => {
  const { matrix, size } = await committed()
  const kept = 256
  const golden = await readGoldenTexts()
  let [turned, plain] = [0, 0]
  for (const { vector } of golden) {
    for (let i = 0; i < kept; i++) {
      let value = 0
      for (let k = 0; k < size; k++) value += (matrix[i * size + k] ?? 0) * (vector[k] ?? 0)
      turned += value * value
      plain += (vector[i] ?? 0) ** 2
    }
  }
  expect(turned / golden.length).toBeGreaterThan(0.9)
  expect(plain / golden.length).toBeLessThan(0.75)
})

test('the fingerprint changes with the graph, the tokenizer, the pooling, the prompts, the window and the rotation', () => {
  const pooled = { pooling: 'mean', prompts: {}, windowTokens: 256 } as const
  const compiled = { sha256: 'a', tokenizerSha256: 'b', card: pooled }
  const prints = [
    modelFingerprint(compiled),
    modelFingerprint({ ...compiled, sha256: 'c' }),
    modelFingerprint({ ...compiled, tokenizerSha256: 'c' }),
    modelFingerprint(compiled, { sha256: 'c' }),
    modelFingerprint({ ...compiled, card: { ...pooled, pooling: 'cls' } }),
    modelFingerprint({ ...compiled, card: { ...pooled, windowTokens: 512 } }),
    modelFingerprint({ ...compiled, card: { ...pooled, prompts: { RETRIEVAL_QUERY: 'query: ' } } }),
    modelFingerprint({ ...compiled, card: { ...pooled, prompts: { RETRIEVAL_DOCUMENT: 'query: ' } } }),
  ]
  expect(new Set(prints).size).toBe(prints.length)
  expect(modelFingerprint({ ...compiled })).toBe(prints[0])
  const prompts = { RETRIEVAL_QUERY: 'q', RETRIEVAL_DOCUMENT: 'd' }
  const reordered = { RETRIEVAL_DOCUMENT: 'd', RETRIEVAL_QUERY: 'q' }
  expect(modelFingerprint({ ...compiled, card: { ...pooled, prompts } })).toBe(
    modelFingerprint({ ...compiled, card: { ...pooled, prompts: reordered } }),
  )
})

test('the committed rotation says where it comes from, and turns only what is cut', async () => {
  const { provenance, turns } = await committed()
  expect(turns).toBe('cuts')
  expect(provenance).toMatchObject({ model: card.name, madeBy: 'scripts/make-model-records.ts' })
  expect(provenance.vectors).toBeGreaterThan(card.dimensions)
})

test('a model that was trained to be cut is not turned', async () => {
  expect(await readRotation({ ...card, matryoshka: [128, 256] })).toBeUndefined()
  expect(await readRotation({ ...card, name: 'another' })).toBeUndefined()
})

test('a rotation comes back from its file as it was, and is refused when it is of another model or not one', () => {
  const size = 3
  const small = { name: 'small', dimensions: size }
  const vectors = [Float32Array.of(1, 0, 0.2), Float32Array.of(0, 1, -0.1), Float32Array.of(0.3, 0.3, 0.9), Float32Array.of(-1, 0.5, 0)]
  const provenance = { model: 'small', fittedOn: 'four vectors', vectors: 4, madeBy: 'a test' }
  const matrix = fitRotation(vectors, size)
  const rotation = decodeRotation(encodeRotation(matrix, size, provenance), 'r', small, 'all')
  expect(rotation).toMatchObject({ matrix, size, turns: 'all', provenance })
  expect(() => decodeRotation(encodeRotation(matrix, size, provenance), 'r', { ...small, name: 'other' }, 'all')).toThrow('not for other')
  const bent = [matrix.with(0, (matrix[0] ?? 0) + 0.01), matrix.with(4, Number.NaN), new Float32Array(9)]
  for (const wrong of bent)
    expect(() => decodeRotation(encodeRotation(wrong, size, provenance), 'r', small, 'all')).toThrow('not orthogonal')
})
