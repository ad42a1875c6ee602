import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { modelSources, readVerified, sha256 } from './artifacts.ts'
import { allMiniLmL6V2 } from './catalogue.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-artifacts-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('the installed files are the ones this program was built for', async () => {
  for (const file of Object.values(modelSources(allMiniLmL6V2))) expect((await readVerified(file)).length).toBeGreaterThan(0)
})

test('a missing file is refused with its path and what to do', async () => {
  const missing = path.join(folder, 'nothing.bin')
  await expect(readVerified({ path: missing, sha256: '' })).rejects.toThrow(`${missing} cannot be read. Run npm ci`)
})

test('a file with one bit altered is refused with both checksums and what to do', async () => {
  const altered = path.join(folder, 'altered.bin')
  await writeFile(altered, 'weights!')
  await expect(readVerified({ path: altered, sha256: sha256('weights ') })).rejects.toThrow(
    new RegExp(`${sha256('weights!')}, expected ${sha256('weights ')}.*npm ci`),
  )
})

test('a model without files is refused by name', () => {
  expect(() => modelSources({ ...allMiniLmL6V2, name: 'unheard-of' })).toThrow('unheard-of')
})
