import { expect, test } from 'vitest'
import { AccountCredit } from './account-credit.ts'

test('a lease may stay as it is while half of its cushion is left, but never one that is said to be needed whole', () => {
  const account = new AccountCredit('acct_test', 0)
  account.noteCost(1n)
  account.leased = 64n
  account.reserved = 33n
  expect(account.suffices(1n, 0)).toBe(true)
  account.exact = true
  expect(account.suffices(1n, 0)).toBe(false)
  account.exact = false
  account.reserved = 34n
  expect(account.suffices(1n, 0)).toBe(false)
})
