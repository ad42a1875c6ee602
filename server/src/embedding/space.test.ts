import { expect, test } from 'vitest'
import { deploymentsOf } from '../models/catalogue.ts'
import { spaceName } from './space.ts'

const [standIn, ownName] = deploymentsOf({ standIn: true })
if (standIn === undefined || ownName === undefined) throw new Error('both names are served')
const graph = { precision: 'int8', graphSha256: '1a2b3c4d5e6f' }

test('vectors that may be compared have one name, and others have another', () => {
  expect(spaceName({ deployment: standIn, ...graph, rotates: true }, 3072)).toBe('all-minilm-l6-v2/int8-1a2b3c4d/padded-3072')
  expect(spaceName({ deployment: standIn, ...graph, rotates: true }, 256)).toBe('all-minilm-l6-v2/int8-1a2b3c4d/rotated-256')
  expect(spaceName({ deployment: ownName, ...graph, rotates: false }, 256)).toBe('all-minilm-l6-v2/int8-1a2b3c4d/cut-256')
  const whole = [standIn, ownName].map((deployment) => spaceName({ deployment, ...graph, rotates: deployment.standIn }, 384))
  expect(new Set(whole)).toEqual(new Set(['all-minilm-l6-v2/int8-1a2b3c4d/384']))
})

test('another graph is another space', () => {
  const other = spaceName({ deployment: ownName, ...graph, precision: 'fp32', graphSha256: 'ffffffff', rotates: false }, 384)
  expect(other).not.toBe(spaceName({ deployment: ownName, ...graph, rotates: false }, 384))
})
