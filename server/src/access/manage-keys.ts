import { NearfieldError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Clock } from '../time.ts'
import type { AccessManagement, ApiKey, IssuedKey } from './access.ts'
import { type Authenticator, limitsOf } from './authenticate.ts'
import { digestOf, endingOf, newSecret } from './key.ts'
import { isPlanName, type PlanName, planNames } from './plan.ts'
import { type Scope, scopes } from './principal.ts'
import type { AccessStore, AccountRow, KeyRow } from './store.ts'

interface Parts {
  readonly store: AccessStore
  readonly authenticator: Pick<Authenticator, 'forget' | 'forgetAccount'>
  readonly clock: Clock
  readonly defaultPlan: PlanName
}

interface NewKey {
  readonly account: AccountRow
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAt: Date | null
}

const nameLengthMax = 100

/** Accounts and keys, for the command line and the admin routes. */
export function keyManagement({ store, authenticator, clock, defaultPlan }: Parts): AccessManagement {
  function issue(wanted: NewKey) {
    const secret = newSecret()
    const key: ApiKey = {
      id: newId('key', clock.now()),
      accountId: wanted.account.id,
      accountName: wanted.account.name,
      name: checkedName(wanted.name),
      ending: endingOf(secret),
      scopes: wanted.scopes,
      createdAt: new Date(clock.now()),
      expiresAt: wanted.expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    }
    const { accountName: _, ...columns } = key
    return { issued: { key, secret } satisfies IssuedKey, row: { ...columns, scopes: [...key.scopes], digest: digestOf(secret) } }
  }

  async function findAccount(idOrName: string): Promise<AccountRow> {
    const account = await store.account(idOrName)
    if (account === undefined) throw new NearfieldError('invalid_request', `There is no account "${idOrName}".`)
    return account
  }

  async function findKey(keyId: string): Promise<KeyRow> {
    const row = await store.keyById(keyId)
    if (row === undefined)
      throw new NearfieldError('invalid_request', `There is no key "${keyId}". A key is named by its handle, key_…, never by its secret.`)
    return row
  }

  return {
    findAccount,
    async principalOf(accountId, keyId) {
      const { plan } = await findAccount(accountId)
      return { accountId, keyId, scopes: ['embed'], plan, limits: limitsOf(accountId, plan) }
    },
    async createAccount({ name, plan }) {
      const account = { id: newId('acct', clock.now()), name: checkedName(name), plan: checkedPlan(plan ?? defaultPlan) }
      if (await store.addAccount(account)) return findAccount(account.id)
      throw new NearfieldError('invalid_request', `There is already an account "${name}".`)
    },
    listAccounts: () => store.accounts(),
    async createKey(wanted) {
      const account = await findAccount(wanted.account)
      const { issued, row } = issue({
        account,
        name: wanted.name,
        scopes: checkedScopes(wanted.scopes),
        expiresAt: wanted.expiresAt ?? null,
      })
      if (wanted.plan !== undefined) {
        await store.setPlan(account.id, checkedPlan(wanted.plan))
        authenticator.forgetAccount(account.id)
      }
      await store.addKey(row)
      return issued
    },
    async listKeys(account) {
      const rows = await store.keys(account === undefined ? undefined : (await findAccount(account)).id)
      return rows.map(shown)
    },
    async rotateKey(keyId, { overlapMs }) {
      const old = await findKey(keyId)
      if (old.revokedAt !== null || (old.expiresAt?.getTime() ?? Infinity) <= clock.now()) {
        throw new NearfieldError('invalid_request', `The key "${keyId}" has ended. Create a new one instead.`)
      }
      if (!Number.isSafeInteger(overlapMs) || overlapMs < 0)
        throw new NearfieldError('invalid_request', 'The overlap must be a whole number of milliseconds, 0 or more.')
      const account = await findAccount(old.accountId)
      const { issued, row } = issue({ account, name: old.name, scopes: shown(old).scopes, expiresAt: old.expiresAt })
      await store.replaceKey(old.id, new Date(clock.now() + overlapMs), row)
      authenticator.forget(old.id)
      return issued
    },
    async revokeKey(keyId) {
      await findKey(keyId)
      await store.revokeKey(keyId, new Date(clock.now()))
      authenticator.forget(keyId)
      return shown(await findKey(keyId))
    },
  }
}

function shown({ digest: _, plan: __, ...row }: KeyRow): ApiKey {
  return { ...row, scopes: scopes.filter((scope) => row.scopes.includes(scope)) }
}

function checkedName(name: string): string {
  const trimmed = name.trim()
  if (trimmed !== '' && trimmed.length <= nameLengthMax && !/\p{Cc}/u.test(trimmed)) return trimmed
  throw new NearfieldError('invalid_request', `A name must have 1 to ${nameLengthMax} characters and no control characters.`)
}

function checkedPlan(plan: string): PlanName {
  if (isPlanName(plan)) return plan
  throw new NearfieldError('invalid_request', `There is no plan "${plan}"; it must be one of ${planNames.join(', ')}.`)
}

function checkedScopes(wanted: readonly Scope[] | undefined): readonly Scope[] {
  if (wanted === undefined) return ['embed']
  const known = scopes.filter((scope) => wanted.includes(scope))
  if (known.length > 0 && known.length === new Set(wanted).size) return known
  throw new NearfieldError('invalid_request', `The scopes of a key must be one or more of ${scopes.join(', ')}.`)
}
