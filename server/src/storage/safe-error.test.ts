import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { toNearfieldError } from '../errors.ts'
import { DatabaseError, toSafeError } from './safe-error.ts'

const canary = 'canary-7f3a'

function driverError(code: string | undefined): Error {
  return Object.assign(new Error(`duplicate key (${canary})`), {
    code,
    constraint: 'usage_pkey',
    detail: `Key (${canary})`,
    parameters: [canary],
  })
}

test('nothing of what a statement carried is left in the error, however it is printed', () => {
  const wrapped = Object.assign(new Error(`Failed query: params: ${canary}`, { cause: driverError('23505') }), { params: [canary] })
  for (const thrown of [driverError('23505'), driverError('08006'), driverError(undefined), wrapped, canary]) {
    const safe = toSafeError(thrown, 'add usage')
    expect(`${inspect(safe, { depth: 10, showHidden: true })}${JSON.stringify(safe)}${safe.stack}`).not.toContain(canary)
  }
})

test('what remains says which statement failed, how, and on which constraint', () => {
  const safe = toSafeError(new Error('outer', { cause: driverError('23505') }), 'add usage')
  expect(safe).toMatchObject({ statement: 'add usage', sqlState: '23505', constraint: 'usage_pkey', code: 'internal' })
})

test('no answer, a lost connection, full resources and a deadlock may be tried again; a broken rule may not', () => {
  for (const sqlState of [undefined, '08006', '53100', '57P01', '40P01'])
    expect(new DatabaseError('x', sqlState, undefined).retryable).toBe(true)
  for (const sqlState of ['23514', '22003', '42P01']) expect(new DatabaseError('x', sqlState, undefined).retryable).toBe(false)
})

test('an error of ours passes through, and stays what it is further up', () => {
  const safe = new DatabaseError('x', undefined, undefined)
  expect(toSafeError(safe, 'y')).toBe(safe)
  expect(toNearfieldError(safe)).toBe(safe)
})
