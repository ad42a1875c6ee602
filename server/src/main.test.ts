import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freshDataFolder } from '../test/data-folder.ts'
import { spawnServer } from '../test/server-process.ts'

test('the first start prints one key once, with a curl line; the second start prints none', async () => {
  await using folder = await freshDataFolder()
  {
    await using server = await spawnServer(folder.path)
    await server.printed(/curl -s http\S+\/v1\/gemini-embedding-001/)
    expect(server.stdout().match(/^\s*(nf_live_\w+)\s*$/gm)).toHaveLength(1)
    server.child.kill('SIGTERM')
    expect(await server.ended()).toBe(0)
    for (const line of server.stderr().trim().split('\n')) expect(line).toMatch(/^\{.*\}$|^[A-Z].* …$/)
    expect(server.stderr()).not.toContain('nf_live_')
    expect(server.stderr()).toContain('a stand-in serves this model')
  }
  await using server = await spawnServer(folder.path)
  await server.printed(/is served by a stand-in/)
  server.child.kill('SIGINT')
  expect(await server.ended()).toBe(0)
  expect(server.stdout()).not.toContain('nf_live_')
})

test('no text and no key reaches the log, whatever happens to the request', async () => {
  await using folder = await freshDataFolder()
  await using server = await spawnServer(folder.path, { NEARFIELD_LOG_LEVEL: 'trace', NEARFIELD_BODY_BYTES_MAX: '20000' })
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  const [key] = await server.printed(/nf_live_\w+/)
  const canary = 'canary-7f3a'
  const send = (body: string, headers: Record<string, string> = {}, path = '/v1/gemini-embedding-001') =>
    fetch(url + path, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers }, body })
  const answers = [
    await send(JSON.stringify({ input: canary })),
    await send(`{"input":"${canary}",}`),
    await send(JSON.stringify({ input: canary, [canary]: 1 })),
    await send(JSON.stringify({ input: canary.repeat(5_000) })),
    await send(JSON.stringify({ input: canary }), { 'x-api-key': `nf_live_${canary}` }),
    await send(JSON.stringify({ input: canary }), { authorization: `Bearer ${canary}` }),
    await send(JSON.stringify({ input: canary }), {}, `/v1/${canary}`),
    await send(JSON.stringify({ input: canary }), {}, `/v1/gemini-embedding-001?key=${canary}`),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 400, 413, 401, 200, 404, 200])
  server.child.kill('SIGTERM')
  expect(await server.ended()).toBe(0)
  expect(server.stderr().match(/"msg":"request"/g)).toHaveLength(answers.length)
  expect(server.stderr()).not.toContain(canary)
  expect(server.stderr()).not.toContain(key)
})

test('a second server on one data folder refuses in a sentence', async () => {
  await using folder = await freshDataFolder()
  await using first = await spawnServer(folder.path)
  await first.printed(/serves/)
  await using second = await spawnServer(folder.path)
  expect(await second.ended()).toBe(3)
  expect(second.stderr()).toMatch(/^nearfield: .*\.$/m)
  expect(second.stderr()).not.toMatch(/^\s+at /m)
})

test('a port in use, and a setting that cannot be, are refused in a sentence', async () => {
  await using folder = await freshDataFolder()
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  await using unlucky = await spawnServer(folder.path, { PORT: port })
  expect(await unlucky.ended()).toBe(1)
  expect(unlucky.stderr()).toContain(`nearfield: The address 127.0.0.1:${port} is in use. Choose another with PORT or HOST.`)
  taken.close()
  await using misconfigured = await spawnServer(folder.path, { PORT: 'eighty' })
  expect(await misconfigured.ended()).toBe(2)
  expect(misconfigured.stderr()).toContain('nearfield: PORT is "eighty"; it must be a whole number from 0 to 65535.')
})

test('a signal during the start ends the server as soon as it is up', async () => {
  await using folder = await freshDataFolder()
  await using server = await spawnServer(folder.path)
  // Node's own handler would end it with the signal; ours is in place once anything was printed or logged.
  await once(server.child, 'printed')
  server.child.kill('SIGTERM')
  expect(await server.ended()).toBe(0)
})
