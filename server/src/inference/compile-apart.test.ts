import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../config.ts'
import { findCard } from '../models/cards.ts'
import { ModelError } from '../models/model-error.ts'
import { compileApart } from './compile-apart.ts'

const { engine: settings } = readConfig({}).config
const onProgress = () => {}

/** For a model that is not there. */
function impossibleOrder() {
  const card = findCard('bge-small-en-v1.5')
  if (card === undefined) throw new Error('the card is gone')
  return { card, precision: 'int8', dataDirectory: path.join(tmpdir(), 'nearfield-nothing-here'), settings } as const
}

test('what the compiler refuses is refused in its own words', async () => {
  const refused = compileApart(impossibleOrder(), { onProgress, signal: new AbortController().signal })
  await expect(refused).rejects.toThrow(ModelError)
  await expect(refused).rejects.toThrow(/not on this machine\. Run: nearfield models pull bge-small-en-v1\.5/)
})

test('a server that closes does not wait for its compiler', async () => {
  const closing = new AbortController()
  const reason = new Error('closing')
  const compiling = compileApart(impossibleOrder(), { onProgress, signal: closing.signal })
  closing.abort(reason)
  await expect(compiling).rejects.toBe(reason)
})
