import type { AccessManagement, IssuedKey } from '../access/access.ts'
import { NearfieldError } from '../errors.ts'
import type { NanoDollars } from '../money.ts'
import type { Billing, CreditManagement } from './reservation.ts'

/** Name of the account that is made on first start. */
const firstAccountName = 'default'

/**
 * On first start makes an account with free credits and an API key for it. Any step may have been the last one of a
 * process that was killed, so each is made up for: the account, then its credits, then the key.
 * @returns the new key, to be shown once; `undefined` when there was a key already
 */
export async function ensureFirstAccount(
  access: Pick<AccessManagement, 'listKeys' | 'listAccounts' | 'createAccount' | 'createKey'>,
  billing: Pick<Billing & CreditManagement, 'credits' | 'grantCredits'>,
  firstCredits: NanoDollars,
): Promise<IssuedKey | undefined> {
  if ((await access.listKeys()).length > 0) return undefined
  const accounts = await access.listAccounts()
  const account = accounts.find(({ name }) => name === firstAccountName) ?? (await access.createAccount({ name: firstAccountName }))
  if (!(await hasCredits(billing, account.id))) {
    await billing.grantCredits({ accountId: account.id, amount: firstCredits, kind: 'free', note: 'first start' })
  }
  return access.createKey({ account: account.id, name: 'first key', scopes: ['embed', 'admin'] })
}

async function hasCredits(billing: Pick<Billing, 'credits'>, accountId: string): Promise<boolean> {
  try {
    await billing.credits(accountId)
    return true
  } catch (error) {
    if (error instanceof NearfieldError && error.code === 'credits_not_found') return false
    throw error
  }
}
