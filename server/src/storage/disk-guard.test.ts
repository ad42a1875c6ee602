import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { DiskGuard } from './disk-guard.ts'

test('work is refused while the disk has less room than wanted, and only then', async () => {
  using roomy = new DiskGuard(tmpdir(), 0)
  await roomy.check()
  expect(() => roomy.assertRoom()).not.toThrow()
  using full = new DiskGuard(tmpdir(), Number.MAX_SAFE_INTEGER)
  await full.check()
  expect(() => full.assertRoom()).toThrow(expect.objectContaining({ code: 'unavailable' }))
})

test('a file system that cannot be asked counts as having room', async () => {
  using guard = new DiskGuard('/there/is/no/such/folder', Number.MAX_SAFE_INTEGER)
  await guard.check()
  expect(() => guard.assertRoom()).not.toThrow()
})
