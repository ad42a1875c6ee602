import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(path.join(root, file), 'utf8')

test('the guide names every setting that config reads, and no other', () => {
  const files = readdirSync(path.join(root, 'server/src')).filter((name) => /^(config|environment|[a-z]+-settings)\.ts$/.test(name))
  const config = files.map((file) => read(`server/src/${file}`)).join('\n')
  const settings = new Set(
    [...config.matchAll(/'(NEARFIELD_[A-Z_]+)'|environment\.([A-Z_]+)/g)].map(([, quoted, member]) => quoted ?? member),
  )
  const described = new Set([...read('docs/guides/settings.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name))
  settings.add('PORT')
  expect([...described].sort()).toEqual([...settings].sort())
})
