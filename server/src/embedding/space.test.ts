import { expect, test } from 'vitest'
import { deploymentsOf } from '../models/catalogue.ts'
import { answerSpace, requireSpace, spaceName } from './space.ts'

const [standIn, ownName] = deploymentsOf({ standIn: true })
if (standIn === undefined || ownName === undefined) throw new Error('both names are served')
const plain = { deployment: ownName, precision: 'int8', fingerprint: '1a2b3c4d5e6f', rotated: undefined }
const rotated = { turns: 'cuts', fingerprint: 'ffeeddccbbaa' } as const
const turned = { deployment: standIn, precision: 'int8', fingerprint: '1a2b3c4d5e6f', rotated }

test('vectors that may be compared have one name, and others have another', () => {
  expect(spaceName(turned, 3072)).toBe('all-minilm-l6-v2/int8-1a2b3c4d/padded-3072')
  expect(spaceName(turned, 256)).toBe('all-minilm-l6-v2/int8-ffeeddcc/rotated-256')
  expect(spaceName(plain, 256)).toBe('all-minilm-l6-v2/int8-1a2b3c4d/cut-256')
  expect(spaceName(turned, 384)).toBe(spaceName(plain, 384))
})

test('another graph or another rotation is another space', () => {
  expect(spaceName({ ...plain, fingerprint: '00000000' }, 384)).not.toBe(spaceName(plain, 384))
  expect(spaceName({ ...plain, precision: 'fp32' }, 384)).not.toBe(spaceName(plain, 384))
  expect(spaceName({ ...turned, rotated: { ...rotated, fingerprint: '00000000' } }, 128)).not.toBe(spaceName(turned, 128))
})

test('where whole vectors are turned too, no size of them is in a space of the plain model', () => {
  const all = { ...plain, rotated: { ...rotated, turns: 'all' as const } }
  expect(spaceName(all, 384)).toBe('all-minilm-l6-v2/int8-ffeeddcc/rotated-384')
  for (const dimensions of [32, 383, 384]) expect(spaceName(all, dimensions)).not.toBe(spaceName(plain, dimensions))
})

test('cuts that were not scaled are in a space of their own, whole vectors are not', () => {
  const model = { space: (dimensions: number) => spaceName(plain, dimensions) }
  const spaceOf = (dimensions: number[], unitLength: boolean) => answerSpace(model, { dimensions, unitLength, deployment: ownName })
  expect(spaceOf([256], true)).toBe(spaceName(plain, 256))
  expect(spaceOf([256], false)).toBe(`${spaceName(plain, 256)}-unscaled`)
  expect(spaceOf([384, 256, 384], false)).toBe(`${spaceName(plain, 384)}, ${spaceName(plain, 256)}-unscaled`)
})

test('a pin is the whole name: any other is refused, also one that is only its beginning', () => {
  const space = spaceName(plain, 384)
  expect(() => requireSpace(undefined, space)).not.toThrow()
  expect(() => requireSpace(space, space)).not.toThrow()
  for (const pinned of ['', space.slice(0, -4), `${space}0`, spaceName(plain, 256)]) {
    expect(() => requireSpace(pinned, space), pinned).toThrow(expect.objectContaining({ code: 'space_mismatch', retryable: false }))
  }
})
