import { connect } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { certificate, type Receiver, type ReceiverWay, startReceiver } from '../../test/webhooks/receiver.ts'
import { readConfig } from '../config.ts'
import * as addresses from './address.ts'
import { type AttemptResult, deliver } from './deliver.ts'

vi.mock(import('./address.ts'), { spy: true })
afterEach(() => vi.resetAllMocks())

const timeoutMs = 1_000
const body = '{"id":"evt_a"}'

function attempt(receiver: Pick<Receiver, 'port'>, url: string, signal = new AbortController().signal, authorities?: string) {
  const settings = { ...readConfig({ NEARFIELD_WEBHOOKS_ALLOW: `127.0.0.1:${receiver.port}` }).config.webhooks, timeoutMs }
  const resolve = () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }))
  return deliver({ url, headers: { 'webhook-id': 'evt_a' }, body }, { settings, resolve, authorities, signal })
}

const noAnswer = (reason: string) => ({ status: undefined, reason })
const answered = (status: number) => expect.objectContaining({ status })

test.each<[string, ReceiverWay, unknown]>([
  ['a 200', { status: 200, body: 'thank you' }, answered(200)],
  ['a 204', { status: 204 }, answered(204)],
  ['a 500', { status: 500 }, answered(500)],
  ['a redirect', { status: 308, headers: { location: 'http://127.0.0.1:1/' } }, answered(308)],
  ['a 410', { status: 410 }, answered(410)],
  ['a 429 with Retry-After', { status: 429, headers: { 'retry-after': '7' } }, { status: 429, retryAfter: '7' }],
  ['silence', 'hang', noAnswer('timed_out')],
  ['a body that drips', 'drip', answered(200)],
  ['a body without end', 'endless', answered(200)],
  ['headers without end', 'endless head', noAnswer('bad_answer')],
  ['what is not HTTP', 'garbage', noAnswer('bad_answer')],
  ['another protocol', 'upgrade', noAnswer('connection_failed')],
  ['a reset connection', 'reset', noAnswer('connection_failed')],
])('an attempt ends in time and says what came of it: %s', async (_what, way, expected) => {
  await using receiver = await startReceiver()
  receiver.way = () => way
  const startMs = performance.now()
  expect(await attempt(receiver, receiver.url)).toEqual(expected)
  expect(performance.now() - startMs).toBeLessThan(10 * timeoutMs)
  expect(receiver.arrivals).toHaveLength(1)
  expect(receiver.arrivals[0]).toMatchObject({ body, headers: { 'content-type': 'application/json', 'webhook-id': 'evt_a' } })
})

test('nobody there, and a name that is not there', async () => {
  const { port, url } = await goneReceiver(await startReceiver())
  expect(await attempt({ port }, url)).toEqual(noAnswer('connection_failed'))
  expect(await attempt({ port }, 'https://hooks.example/')).toEqual(noAnswer('name_not_found'))
})

test('a certificate that nobody vouches for ends the attempt before a byte of it is sent, and one that is trusted does not', async () => {
  await using receiver = await startReceiver({ encrypted: true })
  expect(await attempt(receiver, receiver.url)).toEqual(noAnswer('tls_failed'))
  expect(receiver.arrivals).toHaveLength(0)
  expect(await attempt(receiver, receiver.url, undefined, certificate)).toEqual(answered(204))
})

test('a name that is looked up without end is given up in time', async () => {
  const settings = { ...readConfig({}).config.webhooks, timeoutMs: 50 }
  const options = { settings, resolve: () => new Promise<never>(() => {}), authorities: undefined, signal: new AbortController().signal }
  expect(await deliver({ url: 'https://hooks.example/', headers: {}, body }, options)).toEqual(noAnswer('timed_out'))
})

test('of an answer without end no more is read than the bound', async () => {
  await using receiver = await startReceiver()
  receiver.way = () => 'endless'
  const startMs = performance.now()
  await attempt(receiver, receiver.url)
  // It is dropped for its size, long before its time is up.
  expect(performance.now() - startMs).toBeLessThan(timeoutMs)
})

test('a stopping server does not wait for an answer, and does not take its absence for one', async () => {
  await using receiver = await startReceiver()
  receiver.way = () => 'hang'
  const stopping = new AbortController()
  const attempted = attempt(receiver, receiver.url, stopping.signal)
  await receiver.arrived(1)
  stopping.abort(new Error('stopping'))
  await expect(attempted).rejects.toThrow('stopping')
  await expect(attempt(receiver, receiver.url, stopping.signal)).rejects.toThrow('stopping')
  expect(receiver.arrivals).toHaveLength(1)
})

test('the connected socket is asked where it is connected to, and nothing is sent when that is wrong', async () => {
  await using receiver = await startReceiver()
  // As if the check of the literal had been got around.
  vi.mocked(addresses.mayConnect).mockReturnValueOnce(true).mockReturnValue(false)
  expect(await attempt(receiver, receiver.url)).toEqual(noAnswer('address_refused'))
  expect(receiver.arrivals).toHaveLength(0)
})

test('every attempt has a connection of its own', async () => {
  await using receiver = await startReceiver()
  const results: AttemptResult[] = []
  for (let count = 0; count < 2; count++) results.push(await attempt(receiver, receiver.url))
  expect(receiver.arrivals.map(({ headers }) => headers.connection)).toEqual(['close', 'close'])
})

/** A receiver that is gone. */
async function goneReceiver({ port, url, ...receiver }: Receiver): Promise<{ port: number; url: string }> {
  await receiver[Symbol.asyncDispose]()
  await expect(new Promise((resolve, reject) => connect(port, '127.0.0.1').on('error', reject).on('connect', resolve))).rejects.toThrow()
  return { port, url }
}
