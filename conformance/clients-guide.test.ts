import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/test/harness.ts'

// The programs of the guide to clients, run as a reader would run them: each in a process of its own, with an address and a key put in.

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startTestServer()
  // Inside the room, so that the packages are found.
  folder = await mkdtemp(path.join(import.meta.dirname, '.programs-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await server[Symbol.asyncDispose]()
})

const guide = await readFile(new URL('../docs/guides/clients.md', import.meta.url), 'utf8')
const programs = guide.split(/^## /m).flatMap((section) => {
  const [title = '', ...lines] = section.split('\n')
  const program = /^```ts\n([\s\S]*?)^```$/m.exec(lines.join('\n'))?.[1]
  return program === undefined ? [] : [{ title, program }]
})
/** Our own client is run from its source, so that it need not be built first. */
const ownClient = new URL('../clients/typescript/src/nearfield.ts', import.meta.url).href

test('there is a program for every client that can be imported', async () => {
  const { devDependencies } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'))
  const supporting = ['@langchain/core', '@llamaindex/core', '@llamaindex/env', 'chromadb', 'genai-2', 'js-tiktoken']
  const missing = Object.keys(devDependencies).filter((name) => !supporting.includes(name) && !guide.includes(`from '${name}'`))
  expect(missing).toEqual([])
})

test.concurrent.each(programs)('$title', async ({ title, program }) => {
  expect(await outputOf(program, title)).toBe('3072\n')
})

test.each([
  ['batches', ['text-0 3072', 'text-1 3072']],
  ['gemini-batches', ['3072', '3072', 'text-0 3072', 'text-1 3072']],
])('the program of the guide to %s', async (name, lines) => {
  const batches = await readFile(new URL(`../docs/guides/${name}.md`, import.meta.url), 'utf8')
  const program = /^```ts\n([\s\S]*?)^```$/m.exec(batches)?.[1] ?? ''
  expect((await outputOf(program, name)).trim().split('\n').toSorted()).toEqual(lines)
})

/** What a program prints, with the server's address and a key put in. */
async function outputOf(program: string, title: string): Promise<string> {
  const file = path.join(folder, `${title.replace(/\W+/g, '-')}.ts`)
  const here = program.replaceAll('http://127.0.0.1:8080', server.url).replaceAll('YOUR_KEY', server.key)
  await writeFile(file, here.replace('@nearfield/client', ownClient))
  return (await promisify(execFile)(process.execPath, [file], { cwd: folder, env: { PATH: process.env.PATH } })).stdout
}
