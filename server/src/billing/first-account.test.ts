import { expect, test } from 'vitest'
import { freshDataFolder } from '../../test/data-folder.ts'
import { createAccess } from '../access/create-access.ts'
import { readConfig } from '../config.ts'
import { openDatabase } from '../storage/database.ts'
import { systemClock } from '../time.ts'
import { createBilling } from './create-billing.ts'
import { ensureFirstAccount } from './first-account.ts'

test('the first start makes one key with free credits; later starts make none, and steps a killed start left out are made up for', async () => {
  await using folder = await freshDataFolder()
  const { config, secrets } = readConfig({ NEARFIELD_DATA_DIR: folder.path })
  await using database = await openDatabase({ config, secrets, clock: systemClock })
  await using access = createAccess({ database, config, clock: systemClock })
  await using billing = await createBilling({ database, config, clock: systemClock })
  const killed = { ...access, createKey: () => Promise.reject(new Error('killed')) }
  await expect(ensureFirstAccount(killed, billing, 5n)).rejects.toThrow('killed')
  const issued = await ensureFirstAccount(access, billing, 5n)
  const principal = await access.authenticate(issued?.secret, '::1')
  expect(principal.scopes).toEqual(['embed', 'admin'])
  expect(await billing.credits(principal.accountId)).toEqual({ paid: 0n, free: 5n })
  expect(await ensureFirstAccount(access, billing, 5n)).toBeUndefined()
})
