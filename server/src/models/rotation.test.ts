import { expect, test } from 'vitest'
import { readGoldenTexts } from './golden.ts'
import { modelFingerprint, readRotation } from './rotation.ts'

test('the committed rotation is orthogonal, so it changes no cosine', async () => {
  const { matrix, size } = await readRotation()
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
  const { matrix, size } = await readRotation()
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

test('the fingerprint changes with the graph, the tokenizer and the rotation, and with nothing else', () => {
  const compiled = { sha256: 'a', tokenizerSha256: 'b' }
  const prints = [
    modelFingerprint(compiled),
    modelFingerprint({ ...compiled, sha256: 'c' }),
    modelFingerprint({ ...compiled, tokenizerSha256: 'c' }),
    modelFingerprint(compiled, { sha256: 'c' }),
  ]
  expect(new Set(prints).size).toBe(prints.length)
  expect(modelFingerprint({ ...compiled })).toBe(prints[0])
})
