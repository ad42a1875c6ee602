import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DataFolder, freshDataFolder } from '../../test/data-folder.ts'
import { readConfig } from '../config.ts'
import type { Deployment } from '../models/model.ts'
import { type Database, openDatabase } from '../storage/database.ts'
import { systemClock } from '../time.ts'
import { createAccess } from './create-access.ts'
import { newSecret } from './key.ts'

const { config, secrets } = readConfig({})
let folder: DataFolder
let database: Database
beforeAll(async () => {
  folder = await freshDataFolder()
  database = await openDatabase({ config: { ...config, dataDirectory: folder.path }, secrets, clock: systemClock })
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const deployment = {} as Deployment
const minuteMs = 60_000

/** Access with a clock of its own and an account with one key. */
async function openAccess(plan = 'unlimited') {
  const time = { ms: Date.UTC(2026, 0, 1) }
  const clock = { now: () => time.ms, monotonicMs: () => time.ms }
  let lookups = 0
  const counting: Database = {
    ...database,
    run: (name, work) => {
      if (name === 'find key') lookups++
      return database.run(name, work)
    },
  }
  const access = createAccess({ database: counting, config, clock })
  const account = await access.createAccount({ name: `account ${newSecret()}`, plan })
  const issued = await access.createKey({ account: account.id, name: 'first' })
  return { access, account, issued, time, lookups: () => lookups }
}

const invalid = expect.objectContaining({ code: 'invalid_api_key' })
const limited = expect.objectContaining({ code: 'rate_limited' })

describe('a key', () => {
  test('names its account, scopes and plan, and its secret is stored nowhere', async () => {
    const { access, account, issued } = await openAccess('pro')
    expect(await access.authenticate(issued.secret, '::1')).toEqual({
      accountId: account.id,
      keyId: issued.key.id,
      scopes: ['embed'],
      plan: 'pro',
      limits: { requestsPerMinute: 50, tokensPerMinute: 5_000_000 },
    })
    const stored = await database.query({ name: 'everything', text: 'select api_keys::text from api_keys' }, [])
    expect(JSON.stringify(stored)).not.toContain(issued.secret)
    expect(JSON.stringify(await access.listKeys(account.id))).not.toContain(issued.secret)
  })

  test('that is missing is told so; unknown, mistyped, expired and revoked ones look the same', async () => {
    const { access, account, issued, time } = await openAccess()
    const expiring = await access.createKey({ account: account.name, name: 'short', expiresAt: new Date(time.ms + 1_000) })
    await expect(access.authenticate(undefined, 'a')).rejects.toMatchObject({ code: 'missing_api_key' })
    await expect(access.authenticate('', 'a')).rejects.toMatchObject({ code: 'missing_api_key' })
    await access.authenticate(expiring.secret, 'a')
    time.ms += 1_000
    await access.revokeKey(issued.key.id)
    for (const secret of [newSecret(), `${issued.secret}x`, expiring.secret, issued.secret]) {
      await expect(access.authenticate(secret, 'a')).rejects.toEqual(invalid)
    }
  })

  test('is looked up once for calls that come together, then believed for some seconds and no longer', async () => {
    const { access, issued, time, lookups } = await openAccess()
    await Promise.all(Array.from({ length: 50 }, () => access.authenticate(issued.secret, '::1')))
    time.ms += config.access.keyCacheMs - 1
    await access.authenticate(issued.secret, '::1')
    expect(lookups()).toBe(1)
    time.ms += 1
    await access.authenticate(issued.secret, '::1')
    expect(lookups()).toBe(2)
  })

  test('revoked elsewhere is dead here within the time a key is believed', async () => {
    const here = await openAccess()
    const elsewhere = await openAccess()
    await here.access.authenticate(here.issued.secret, '::1')
    await elsewhere.access.revokeKey(here.issued.key.id)
    here.time.ms += config.access.keyCacheMs
    await expect(here.access.authenticate(here.issued.secret, '::1')).rejects.toEqual(invalid)
  })

  test('that is rotated works beside its successor until the overlap ends', async () => {
    const { access, issued, time } = await openAccess()
    const successor = await access.rotateKey(issued.key.id, { overlapMs: minuteMs })
    expect(successor.key).toMatchObject({ name: 'first', scopes: ['embed'], accountId: issued.key.accountId })
    time.ms += minuteMs - 1
    await access.authenticate(issued.secret, '::1')
    await access.authenticate(successor.secret, '::1')
    time.ms += 1
    await expect(access.authenticate(issued.secret, '::1')).rejects.toEqual(invalid)
    await access.authenticate(successor.secret, '::1')
    await expect(access.rotateKey(issued.key.id, { overlapMs: 0 })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('tells when it was last used, once that has been written', async () => {
    const { access, account, issued, time } = await openAccess()
    await access.authenticate(issued.secret, '::1')
    await access[Symbol.asyncDispose]()
    expect((await access.listKeys(account.id))[0]?.lastUsedAt?.getTime()).toBe(time.ms)
  })

  test('may do what its scopes say and nothing else', async () => {
    const { access, account, issued } = await openAccess()
    const admin = await access.createKey({ account: account.id, name: 'admin', scopes: ['admin'] })
    const principals = [await access.authenticate(issued.secret, '::1'), await access.authenticate(admin.secret, '::1')] as const
    expect(() => access.authorize(principals[0], deployment)).not.toThrow()
    expect(() => access.authorize(principals[1], deployment)).toThrow(expect.objectContaining({ code: 'permission_denied' }))
  })
})

describe('an address that sends bad keys', () => {
  test('gets 429 after so many a minute, and the database is spared; keys that are known go on working from there', async () => {
    const { access, account, issued, time, lookups } = await openAccess()
    await access.authenticate(issued.secret, 'there')
    for (let bad = 0; bad < config.access.badKeysPerMinuteMax; bad++) {
      await expect(access.authenticate(newSecret(), 'there')).rejects.toEqual(invalid)
    }
    const asked = lookups()
    await expect(access.authenticate(newSecret(), 'there')).rejects.toEqual(limited)
    await expect(access.authenticate('nonsense', 'there')).rejects.toMatchObject({
      code: 'rate_limited',
      details: { retryAfterMs: expect.any(Number) },
    })
    expect(lookups()).toBe(asked)
    time.ms += config.access.keyCacheMs
    await access.authenticate(issued.secret, 'there')
    const unknown = await access.createKey({ account: account.id, name: 'second' })
    await expect(access.authenticate(unknown.secret, 'there')).rejects.toEqual(limited)
    await access.authenticate(unknown.secret, 'elsewhere')
    time.ms += minuteMs + 5_000
    await expect(access.authenticate(newSecret(), 'there')).rejects.toEqual(invalid)
  })
})

describe('a plan', () => {
  test('bounds the requests of an account over all its keys, and says when to come back', async () => {
    const { access, account, issued, time } = await openAccess('free')
    const other = await access.createKey({ account: account.id, name: 'second' })
    const keys = [await access.authenticate(issued.secret, '::1'), await access.authenticate(other.secret, '::1')] as const
    for (let request = 0; request < 5; request++) {
      expect(access.countRequest(keys[request % 2 === 0 ? 0 : 1])).toMatchObject({ limit: 5, remaining: 4 - request })
    }
    const details = { limit: 5, counted: 'requests', retryAfterMs: expect.any(Number), resetAtMs: expect.any(Number) }
    expect(() => access.countRequest(keys[0])).toThrow(expect.objectContaining({ code: 'rate_limited', details }))
    time.ms += minuteMs + 5_000
    expect(access.countRequest(keys[0]).remaining).toBe(4)
  })

  test('bounds tokens; a request that can never fit is told to become smaller', async () => {
    const { access, issued } = await openAccess('free')
    const principal = await access.authenticate(issued.secret, '::1')
    expect(() => access.countTokens(principal, 250_001)).toThrow(/fewer inputs/)
    access.countTokens(principal, 250_000)
    expect(() => access.countTokens(principal, 1)).toThrow(limited)
  })

  test('"unlimited" bounds nothing, and a new plan takes effect at once', async () => {
    const { access, account, issued } = await openAccess()
    const principal = await access.authenticate(issued.secret, '::1')
    expect(access.countRequest(principal)).toMatchObject({ limit: null, remaining: null })
    access.countTokens(principal, Number.MAX_SAFE_INTEGER)
    await access.createKey({ account: account.id, name: 'second', plan: 'free' })
    expect((await access.authenticate(issued.secret, '::1')).plan).toBe('free')
  })
})

test('names, plans, scopes and handles that do not exist are refused in words that say what does', async () => {
  const { access, account, issued } = await openAccess()
  const refused = (message: RegExp) => expect.objectContaining({ code: 'invalid_request', message: expect.stringMatching(message) })
  await expect(access.createAccount({ name: account.name })).rejects.toEqual(refused(/already/))
  await expect(access.createAccount({ name: 'x', plan: 'gold' })).rejects.toEqual(refused(/free, pro, unlimited/))
  await expect(access.createAccount({ name: ' ' })).rejects.toEqual(refused(/1 to 100/))
  await expect(access.createKey({ account: 'nobody', name: 'x' })).rejects.toEqual(refused(/no account/))
  await expect(access.createKey({ account: account.id, name: 'x', scopes: [] })).rejects.toEqual(refused(/embed, admin/))
  await expect(access.revokeKey('key_none')).rejects.toEqual(refused(/no key/))
  await expect(access.rotateKey(issued.key.id, { overlapMs: -1 })).rejects.toEqual(refused(/overlap/))
})
