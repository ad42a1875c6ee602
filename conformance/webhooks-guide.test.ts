import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/test/harness.ts'
import { openAiClientFor } from './clients/openai.ts'

// The receivers of the guide to webhooks, run as a reader would run them, and told of something by a real server.

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startTestServer({ environment: { NEARFIELD_WEBHOOKS_ALLOW: 'private' } })
  folder = await mkdtemp(path.join(import.meta.dirname, '.programs-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await server[Symbol.asyncDispose]()
})

const guide = await readFile(new URL('../docs/guides/webhooks.md', import.meta.url), 'utf8')
const programIn = (language: string) => new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(guide)?.[1] ?? ''

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import hashlib'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Runs a receiver, has a test event sent to it, and gives what it printed and how it answered. */
async function receive(command: string, file: string): Promise<{ accepted: number; refused: number; printed: string }> {
  const client = openAiClientFor(server)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/webhooks`
  const { id, signing_secret: secret } = await client.webhooks.create({ name: 'guide', url, event_types: ['batch.completed'] })
  const child = spawn(command, [file], {
    env: { PATH: process.env.PATH, PORT: String(port), WEBHOOK_SECRET: secret, PYTHONUNBUFFERED: '1' },
  })
  let printed = ''
  child.stdout.on('data', (text) => (printed += text))
  const ended = once(child, 'exit')
  try {
    const tested = () => client.webhooks.test(id, { event_type: 'batch.completed' }).then(({ status_code }) => status_code)
    let accepted = 0
    // Until it listens there is no answer.
    await expect.poll(async () => (accepted = await tested().catch(() => 0)), { timeout: 60_000 }).toBeGreaterThan(0)
    await client.webhooks.rotateSecret(id)
    const refused = await tested()
    await expect.poll(() => printed, { timeout: 10_000 }).not.toBe('')
    return { accepted, refused, printed }
  } finally {
    child.kill('SIGKILL')
    await ended
    await client.webhooks.delete(id)
  }
}

test('the receiver in TypeScript takes what is signed with its secret and refuses the rest', async () => {
  const file = path.join(folder, 'receiver.ts')
  await writeFile(file, programIn('ts'))
  const { accepted, refused, printed } = await receive(process.execPath, file)
  expect([accepted, refused]).toEqual([204, 400])
  expect(printed).toContain("type: 'batch.completed'")
})

test.runIf(hasPython())('so does the receiver in Python', async () => {
  const file = path.join(folder, 'receiver.py')
  await writeFile(file, programIn('python'))
  const { accepted, refused, printed } = await receive('python3', file)
  expect([accepted, refused]).toEqual([204, 400])
  expect(printed).toContain("'type': 'batch.completed'")
})
