import { hash } from 'node:crypto'
import { createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { describe, expect, test, vi } from 'vitest'
import { type ValkeyServer, valkeyServers } from '../../test/valkey-servers.ts'
import { readConfig } from '../config.ts'
import { systemClock } from '../time.ts'
import { ValkeyVectors } from './valkey-vectors.ts'
import { createVectorCache, type Lookup } from './vector-cache.ts'

const settings = { timeoutMs: 250, connectTimeoutMs: 2_000, pauseMs: 30, writesMax: 64, expiryMs: 60_000 }

function storeAt(url: string, more: { arithmetic?: string; pauseMs?: number; writesMax?: number } = {}) {
  const said: string[] = []
  const { arithmetic = 'one', ...changed } = more
  const say = (sentence: string) => void said.push(sentence)
  return { said, store: new ValkeyVectors({ url, settings: { ...settings, ...changed }, arithmetic, clock: systemClock, say }) }
}

const key = (name: string) => hash('sha256', name, 'buffer')
const vector = (first: number) => Float32Array.from({ length: 384 }, (_, index) => first + index / 7)
const named = (name: string, first: number) => ({ key: key(name), vector: vector(first) })

/** What a lookup finds once the connection, which no lookup waits for, is there. */
async function eventually(store: ValkeyVectors, name: string, first: number): Promise<void> {
  await vi.waitFor(async () => expect((await store.getMany([key(name)], 384))[0]).toEqual(vector(first)), { timeout: 5_000 })
}

async function put(store: ValkeyVectors, name: string, first: number): Promise<void> {
  await vi.waitFor(
    async () => {
      store.putMany([named(name, first)])
      expect((await store.getMany([key(name)], 384))[0]).toEqual(vector(first))
    },
    { timeout: 5_000 },
  )
}

describe.each(valkeyServers())('on $name', ({ start }) => {
  async function on<Result>(act: (server: ValkeyServer) => Promise<Result>): Promise<Result> {
    await using server = await start()
    return await act(server)
  }

  test('what one process stored another one finds, bit for bit, and in order among unknown ones', () =>
    on(async ({ url }) => {
      await using first = storeAt(url).store
      await using second = storeAt(url).store
      await put(first, 'a', 1)
      await put(first, 'b', 2)
      await eventually(second, 'a', 1)
      const many = Array.from({ length: 600 }, (_, index) => key(`missing ${index}`))
      const found = await second.getMany([key('b'), ...many, key('a')], 384)
      expect(found.flatMap((one, index) => (one === undefined ? [] : [index]))).toEqual([0, 601])
      expect([found[0], found[601]]).toEqual([vector(2), vector(1)])
    }))

  test('a vector of another length, of another arithmetic, or with another byte is not known', () =>
    on(async ({ url }) => {
      await using store = storeAt(url).store
      await using elsewhere = storeAt(url, { arithmetic: 'two' }).store
      await put(store, 'a', 1)
      expect(await store.getMany([key('a')], 383)).toEqual([undefined])
      await put(elsewhere, 'b', 1)
      expect(await elsewhere.getMany([key('a')], 384)).toEqual([undefined])

      const client = createClient({ url })
      await client.connect()
      const name = `nearfield:vector:1:${hash('sha256', 'one').slice(0, 16)}:${key('a').toString('base64url')}`
      const blobs = { typeMapping: { 36: Buffer } }
      const [value] = await client.sendCommand<Buffer[]>(['MGET', name], blobs)
      const changed = Buffer.from(value ?? [])
      changed.writeUInt8(changed.readUInt8(100) ^ 1, 100)
      await client.sendCommand(['SET', name, changed])
      expect(await store.getMany([key('a')], 384)).toEqual([undefined])
      await client.sendCommand(['SET', name, value ?? ''])
      expect(await store.getMany([key('a')], 384)).toEqual([vector(1)])
      client.destroy()
    }))

  test('one that hangs costs one timeout, then nothing until it is tried again, and is used again when it is back', () =>
    on(async (server) => {
      const { store: patient, said } = storeAt(server.url, { pauseMs: 300 })
      await using store = patient
      await put(store, 'a', 1)
      server.hang()
      expect(await store.getMany([key('a')], 384)).toEqual([undefined])
      // From now on no lookup waits for anything outside this process.
      let answered = 0
      for (let count = 0; count < 100; count++) void store.getMany([key('a')], 384).then(() => answered++)
      await setImmediate()
      expect(answered).toBe(100)
      server.resume()
      await eventually(store, 'a', 1)
      expect(said).toEqual([expect.stringContaining('(late)'), expect.stringContaining('back')])
    }))
})

test('a store that refuses, is not there, or hangs up is left out, and said once', async () => {
  const rude = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await vi.waitFor(() => expect(rude.listening).toBe(true))
  const address = rude.address()
  const port = typeof address === 'object' ? address?.port : undefined
  for (const url of [`redis://:secret@127.0.0.1:${port}`, 'redis://:secret@127.0.0.1:1']) {
    const { store, said } = storeAt(url)
    await vi.waitFor(
      async () => {
        expect(await store.getMany([key('a')], 384)).toEqual([undefined])
        store.putMany([named('a', 1)])
        expect(said).toHaveLength(1)
      },
      { timeout: 5_000 },
    )
    expect(said[0]).not.toContain('secret')
    await store[Symbol.asyncDispose]()
  }
  rude.close()
})

test('behind the memory of a process: what is found there is remembered here, what is computed is stored there', async () => {
  const there = new Map<string, Float32Array>()
  let asked = 0
  const shared = {
    async getMany(keys: readonly Buffer[]) {
      asked += keys.length
      return keys.map((one) => there.get(one.toString('hex')))
    },
    putMany: (entries: readonly { key: Buffer; vector: Float32Array }[]) =>
      entries.forEach((entry) => void there.set(entry.key.toString('hex'), entry.vector)),
    async [Symbol.asyncDispose]() {},
  }
  const scope = { space: 'space', dimensions: 384, accountId: 'acct' }
  const one = createVectorCache({ bytesMax: 1_000_000, sharedByAccounts: false }, shared)
  const other = createVectorCache({ bytesMax: 1_000_000, sharedByAccounts: false }, shared)
  const sequences = [Int32Array.of(1, 2), Int32Array.of(3, 4)]
  const known = ({ vectors }: Lookup) => vectors.map((found) => found?.[0])

  const first = await one.lookup(scope, sequences, 'use')
  expect(known(first)).toEqual([undefined, undefined])
  first.keep([vector(1), vector(2)])
  expect(known(await other.lookup(scope, sequences.toReversed(), 'use'))).toEqual([2, 1])
  expect(known(await other.lookup(scope, sequences, 'use'))).toEqual([1, 2])
  expect(known(await one.lookup(scope, sequences, 'use'))).toEqual([1, 2])
  expect(asked).toBe(4)
})

test('the address may have either name of the protocol; what it cannot be is refused without repeating it', () => {
  const urlOf = (address: string) => readConfig({ NEARFIELD_VALKEY_URL: address }).secrets.valkeyUrl
  expect(urlOf('valkeys://user:secret@host:6380/2')).toBe('rediss://user:secret@host:6380/2')
  expect(urlOf('redis://host')).toBe('redis://host')
  expect(urlOf('')).toBeUndefined()
  for (const wrong of ['http://secret@host', 'valkey://secret@host/name', 'secret']) {
    expect(() => urlOf(wrong)).toThrow(/^NEARFIELD_VALKEY_URL must be (?!.*secret)/)
  }
})
