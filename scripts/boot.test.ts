import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'

// Boot runs before anything is installed, so these tests run copies of it in an empty folder, as processes.

let folder: string
const lock = () => path.join(folder, '.cache', 'boot.lock')

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-boot-'))
  await cp(import.meta.dirname, path.join(folder, 'scripts'), { recursive: true, filter: (source) => !source.endsWith('.ts') })
  await writeFile(path.join(folder, 'package.json'), '{"devDependencies":{"node":"24.21.0"},"workspaces":[]}')
  await mkdir(path.join(folder, '.cache'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function run(...words: string[]) {
  const child = spawn(process.execPath, words, { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH } })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { child, ended: ended.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code })) }
}

/** Holds the lock until its standard input ends, and says when it has it. */
const holder = `
  import { withLock } from './scripts/boot-lock.mjs'
  await withLock(async () => {
    console.log('held by ' + process.pid)
    for await (const _ of process.stdin);
  })`
const hold = () => run('--input-type=module', '-e', holder)

async function freshPid(): Promise<number> {
  const { child, ended } = run('-e', '0')
  await ended
  return child.pid ?? 0
}

test('the lock of a dead process is taken over', async () => {
  await writeFile(lock(), String(await freshPid()))
  const { child, ended } = hold()
  child.stdin.end()
  expect(await ended).toEqual({ stdout: `held by ${child.pid}\n`, stderr: '', code: 0 })
})

test('a lock nobody renews is taken over, even when a living process has its number', async () => {
  await writeFile(lock(), String(process.pid))
  const longAgo = new Date(Date.now() - 60_000)
  await utimes(lock(), longAgo, longAgo)
  const { child, ended } = hold()
  child.stdin.end()
  expect(await ended).toMatchObject({ stdout: `held by ${child.pid}\n`, code: 0 })
})

test('the second of two waits, says for whom, and has its turn', async () => {
  const first = hold()
  await once(first.child.stdout, 'data')
  const second = hold()
  second.child.stdin.end()
  await once(second.child.stderr, 'data')
  expect(await readFile(lock(), 'utf8')).toBe(String(first.child.pid))
  first.child.stdin.end()
  const waited = await second.ended
  expect(waited.stderr).toContain(`another npm command (pid ${first.child.pid}) is preparing this folder`)
  expect(waited).toMatchObject({ stdout: `held by ${second.child.pid}\n`, code: 0 })
})

test('a stopped holder leaves no lock behind', async () => {
  const { child, ended } = hold()
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  await ended
  await expect(readFile(lock())).rejects.toThrow('ENOENT')
})

test.each([
  [['frobnicate'], '"frobnicate" is not a command'],
  [['start'], 'This has to be started by npm.'],
])('boot %j fails with a sentence and the command that mends it, and nothing on stdout', async (words, sentence) => {
  // Away from any npm that lies beside this Node.
  await writeFile(path.join(folder, 'node_modules'), '')
  const { stdout, stderr, code } = await run('scripts/boot.mjs', ...words).ended
  expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
  expect(stderr).toContain(sentence)
  expect(stderr).toContain('To fix it, run:  npm start')
})
