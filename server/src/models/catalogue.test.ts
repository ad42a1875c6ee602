import { expect, test } from 'vitest'
import { deploymentsOf } from './catalogue.ts'

test('gemini-embedding-001 is served by a labelled stand-in, within the limits of that name', () => {
  const [gemini] = deploymentsOf({ standIn: true })
  expect(gemini).toMatchObject({
    name: 'gemini-embedding-001',
    standIn: true,
    dimensionsMin: 128,
    dimensionsMax: 3072,
    dimensionsDefault: 3072,
    inputTokensMax: 2048,
  })
  expect(gemini?.model.name).toBe('all-minilm-l6-v2')
})

test('without stand-ins no name is served by another model', () => {
  const served = deploymentsOf({ standIn: false })
  expect(served.map(({ name }) => name)).toEqual(['all-minilm-l6-v2'])
  for (const { name, model, standIn } of served) expect([standIn, model.name]).toEqual([false, name])
})

test('under its own name a model cuts at its window, as its reference does', () => {
  const [own] = deploymentsOf({ standIn: false })
  expect(own).toMatchObject({ longInputs: 'cut', inputTokensMax: 254, dimensionsDefault: 384 })
  expect(own?.model.windowTokens).toBe(256)
})
