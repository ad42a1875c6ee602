import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../harness.ts'

const python = promisify(execFile)
const standIn = path.join(import.meta.dirname, 'requests-stand-in')

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startTestServer()
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-seed-'))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test("the model page's own script, its URL and key changed, prints 3072 numbers", async () => {
  const script = path.join(folder, 'seed.py')
  const published = await readFile(path.join(import.meta.dirname, 'seed.py'), 'utf8')
  expect(published.split('https://api.segmind.com')).toHaveLength(2)
  expect(published.split('YOUR_API_KEY')).toHaveLength(2)
  await writeFile(script, published.replace('https://api.segmind.com', server.url).replace('YOUR_API_KEY', server.key))
  const { stdout } = await python('python3', [script], { env: await environment(), maxBuffer: 1024 * 1024 })
  expect(JSON.parse(stdout).embedding.values.filter(Number.isFinite)).toHaveLength(3072)
})

test('with its own key it prints the error that a caller would see', async () => {
  const script = path.join(folder, 'unchanged-key.py')
  const published = await readFile(path.join(import.meta.dirname, 'seed.py'), 'utf8')
  await writeFile(script, published.replace('https://api.segmind.com', server.url))
  const { stdout } = await python('python3', [script], { env: await environment() })
  expect(stdout).toMatch(/^Error: 401\n\{"error":"Unauthorized\. API key is invalid or may have expired/)
})

/** The script imports requests, which a bare Python lacks; only then a stand-in takes its place. */
async function environment(): Promise<Record<string, string>> {
  const search = { PATH: process.env.PATH ?? '' }
  try {
    await python('python3', ['-c', 'import requests'], { env: search })
    return search
  } catch {
    process.stdout.write('The requests package is not installed; a stand-in over urllib takes its place.\n')
    return { ...search, PYTHONPATH: standIn }
  }
}
