import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  forbiddenImports,
  forbiddenNames,
  medianLines,
  oversizedFiles,
  type SourceFile,
  strayClocks,
  strayEnvironmentReads,
  strayPackages,
} from './boundary-rules.ts'

const root = path.resolve(import.meta.dirname, '../..')
const listed = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', 'server', 'cli', 'clients', 'bench', 'scripts', 'conformance'],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
const everyFile: SourceFile[] = listed
  .split('\n')
  .filter((name) => /\.(ts|mjs|js)$/.test(name) && existsSync(path.join(root, name)))
  .map((name) => ({ path: name, text: readFileSync(path.join(root, name), 'utf8') }))
const handwritten = everyFile.filter(({ path: name }) => !name.includes('/migrations/'))
const house = handwritten.filter(({ path: name }) => /^(server\/src|cli|clients)\//.test(name))

const file = (name: string, text: string): SourceFile => ({ path: name, text })

describe('the house', () => {
  test('holds files to check', () => {
    expect(house.length).toBeGreaterThan(10)
    expect(medianLines(house)).toBeGreaterThan(0)
  })

  test('imports only along the arrows', () => expect(forbiddenImports(house)).toEqual([]))
  test('keeps a package in the room that owns it', () => expect(strayPackages(house)).toEqual([]))
  test('reads the environment in config.ts alone', () => expect(strayEnvironmentReads(house)).toEqual([]))
  test('reads the time in time.ts alone', () => expect(strayClocks(house)).toEqual([]))
  test('has no drawers and no barrels', () => expect(forbiddenNames(handwritten)).toEqual([]))
  test('has no file over 500 lines, and a median of at most 100', () => expect(oversizedFiles(handwritten)).toEqual([]))
})

describe('every rule can fail: imports', () => {
  test.each([
    ['server/src/money.ts', "import { newId } from './ids.ts'"],
    ['server/src/errors.ts', "import { readConfig } from './config.ts'"],
    ['server/src/storage/database.ts', "import { bill } from '../billing/ledger.ts'"],
    ['server/src/access/key.ts', "import { balance } from '../billing/ledger.ts'"],
    ['server/src/access/key.ts', "import { Deployment } from '../models/model.ts'"],
    ['server/src/models/model.ts', "import { balance } from '../billing/ledger.ts'"],
    ['server/src/embedding/prepare.ts', "import { pool } from '../inference/pool.ts'"],
    ['server/src/embedding/prepare.ts', "import { database } from '../storage/database.ts'"],
    ['server/src/inference/pool.ts', "import { prepare } from '../embedding/prepare.ts'"],
    ['server/src/dialects/segmind/decode.ts', "import { encode } from '../openai/encode.ts'"],
    ['server/src/dialects/segmind/decode.ts', "import { prepare } from '../../embedding/prepare.ts'"],
    ['server/src/dialects/segmind/decode.ts', "const other = await import('../../storage/database.ts')"],
    ['server/src/serve.ts', "import { app } from './http/app.ts'"],
    ['server/src/serve.ts', "import { pool } from './inference/pool.ts'"],
    ['server/src/context.ts', "import { app } from './http/app.ts'"],
    ['server/src/http/app.ts', "import { openContext } from '../context.ts'"],
    ['server/src/http/app.ts', "import { main } from '../main.ts'"],
    ['server/src/billing/price.ts', "export { thing } from '../access/key.ts'"],
    ['server/src/billing/price.ts', "import '../access/key.ts'"],
    ['server/src/billing/price.ts', "import {\n  one,\n  two,\n} from '../access/key.ts'"],
    ['server/src/unknown-room/thing.ts', "import { newId } from '../ids.ts'"],
    ['server/src/serve.ts', "import { thing } from '../test/harness.ts'"],
    ['cli/src/commands/embed.ts', "import { serve } from '../../../server/src/serve.ts'"],
    ['cli/src/commands/embed.ts', "import { serve } from '@nearfield/server/serve'"],
    ['clients/typescript/src/split.ts', "import { Buffer } from 'node:buffer'"],
    ['clients/typescript/src/split.ts', "import { taskTypes } from '../../../server/src/embedding/request.ts'"],
  ])('%s with %j', (name, text) => expect(forbiddenImports([file(name, text)])).toHaveLength(1))

  test.each([
    ['server/src/config.ts', "import { parseDollars } from './money.ts'"],
    ['server/src/access/access.ts', "import type { Deployment } from '../models/model.ts'"],
    ['server/src/billing/price.ts', "import { card } from '../models/catalogue.ts'"],
    ['server/src/inference/pool.ts', "import { type Embedder } from '../embedding/embedder.ts'"],
    ['server/src/dialects/segmind/decode.ts', "import { dialect } from '../dialect.ts'\nimport { encode } from './encode.ts'"],
    ['server/src/http/app.ts', "import type { Context } from '../context.ts'"],
    ['server/src/serve.ts', "// import { app } from './http/app.ts'\nconst text = 'see http/app.ts'"],
    ['cli/src/commands/serve.ts', "import { serve } from '@nearfield/server/main'\nimport { Command } from 'commander'"],
  ])('%s with %j is allowed', (name, text) => expect(forbiddenImports([file(name, text)])).toEqual([]))
})

describe('every rule can fail: the rest', () => {
  test.each([
    ['server/src/billing/ledger.ts', "import { sql } from 'drizzle-orm'"],
    ['server/src/billing/ledger.ts', "import { pgTable } from 'drizzle-orm/pg-core'"],
    ['server/src/billing/store.ts', "import pg from 'pg'"],
    ['server/src/serve.ts', "import { PGlite } from '@electric-sql/pglite'"],
    ['server/src/context.ts', "import fastify from 'fastify'"],
    ['server/src/models/parity.ts', "import { InferenceSession } from 'onnxruntime-node'"],
    ['server/src/embedding/prepare.ts', "import { Tokenizer } from '@huggingface/tokenizers'"],
  ])('a package strays: %s with %j', (name, text) => expect(strayPackages([file(name, text)])).toHaveLength(1))

  test('a store may import drizzle', () =>
    expect(strayPackages([file('server/src/billing/store.ts', "import { sql } from 'drizzle-orm'")])).toEqual([]))

  test.each(['process.env.PORT', "process['env'].PORT", 'const { env } = process'])('the environment is read: %s', (text) => {
    expect(strayEnvironmentReads([file('server/src/http/app.ts', text)])).toHaveLength(1)
    expect(strayEnvironmentReads([file('server/src/config.ts', text)])).toEqual([])
  })

  test.each(['Date.now()', 'performance.now()', 'new Date()', 'const now = Date.now'])('the time is read: %s', (text) => {
    expect(strayClocks([file('server/src/http/app.ts', text)])).toHaveLength(1)
    expect(strayClocks([file('server/src/time.ts', text)])).toEqual([])
    expect(strayClocks([file('server/src/http/app.ts', `// ${text}`)])).toEqual([])
  })

  test.each([
    ['server/src/utils/thing.ts', ''],
    ['server/src/billing/helpers.ts', ''],
    ['server/src/billing/common.test.ts', ''],
    ['server/src/billing/index.ts', ''],
    ['server/src/billing/ledger.ts', "export * from './price.ts'"],
  ])('a name or a barrel is refused: %s with %j', (name, text) => expect(forbiddenNames([file(name, text)])).toHaveLength(1))

  test('a file has 501 lines', () => {
    expect(
      oversizedFiles([file('server/src/a.ts', 'line\n'.repeat(501)), file('server/src/b.ts', ''), file('server/src/c.ts', '')]),
    ).toHaveLength(1)
    expect(
      oversizedFiles([file('server/src/a.ts', 'line\n'.repeat(500)), file('server/src/b.ts', ''), file('server/src/c.ts', '')]),
    ).toEqual([])
  })

  test('half of the files have over 100 lines', () => {
    expect(
      oversizedFiles([
        file('server/src/a.ts', 'line\n'.repeat(101)),
        file('server/src/b.ts', 'line\n'.repeat(101)),
        file('server/src/c.ts', ''),
      ]),
    ).toHaveLength(1)
  })
})
