import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { freshDataFolder } from '../data-folder.ts'
import { googleError, googleQuota, startFakeGoogle } from '../fake-google.ts'
import { startFakeOpenAi } from '../fake-openai.ts'
import type { FakeWay } from '../fake-upstream.ts'
import { spawnServer } from '../server-process.ts'

test('no key of an upstream and no text sent to it is in any log, answer or figure, whatever fails', async () => {
  const keys = ['AIza-canary-7f3a', 'sk-canary-7f3a']
  await using google = await startFakeGoogle(keys.slice(0, 1))
  await using openAi = await startFakeOpenAi(8, keys[1])
  await using folder = await freshDataFolder()
  const keyFile = path.join(folder.path, 'gemini-keys')
  await writeFile(keyFile, `${keys[0]}\nAIza-canary-unknown\n`)
  await using server = await spawnServer(folder.path, {
    ...{
      NEARFIELD_LOG_LEVEL: 'trace',
      NEARFIELD_METRICS: 'open',
      NEARFIELD_CACHE_BYTES_MAX: '0',
      NEARFIELD_UPSTREAM_TIMEOUT_MS: '400',
      NEARFIELD_UPSTREAM_BREAK_MS: '10',
    },
    ...{ GEMINI_API_KEY_FILE: keyFile, NEARFIELD_GEMINI_BASE_URL: google.url },
    ...{ NEARFIELD_UPSTREAM_URL: `${openAi.url}/v1`, NEARFIELD_UPSTREAM_MODELS: 'tiny=8', NEARFIELD_UPSTREAM_API_KEY: keys[1] ?? '' },
  })
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  const [key] = await server.printed(/nf_live_\w+/)
  const text = 'canary of a text'
  const answers: string[] = []
  const statuses: number[] = []
  const echo = { status: 400, body: { error: { code: 400, message: `${keys[0]} ${text}`, status: text, details: [{ reason: text }] } } }
  const ways: FakeWay[] = [
    'right',
    'reset',
    'hang',
    'too few',
    echo,
    { ...echo, status: 500 },
    { ...echo, status: 403 },
    googleQuota('60s'),
    googleError(503, 'UNAVAILABLE'),
  ]
  for (const way of ways) {
    google.way = () => way
    openAi.way = () => way
    for (const model of ['gemini-embedding-001', 'tiny']) {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const answer = await fetch(`${url}/v1/embeddings`, { method: 'POST', headers, body: JSON.stringify({ model, input: text }) })
      statuses.push(answer.status)
      answers.push(JSON.stringify([...answer.headers]), await answer.text())
    }
  }
  answers.push(await (await fetch(`${url}/metrics`)).text())
  server.child.kill('SIGTERM')
  expect(await server.ended()).toBe(0)
  expect(statuses.slice(0, 2)).toEqual([200, 200])
  expect(statuses.slice(2).every((status) => status !== 200)).toBe(true)
  expect(server.stderr()).toContain('an upstream refuses this server')
  for (const written of [server.stdout(), server.stderr(), ...answers]) expect(written).not.toContain('canary')
  expect(server.stdout()).toContain('gemini-embedding-001 is served by Google')
  expect(server.stdout()).not.toContain('stand-in')
})
