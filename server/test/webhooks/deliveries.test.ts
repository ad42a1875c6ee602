import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Arrival, accepted, type ReceiverWay, startReceiver, verified } from './receiver.ts'
import { openWebhookRoom, type WebhookRoom } from './webhook-room.ts'

let room: WebhookRoom
beforeAll(async () => {
  room = await openWebhookRoom()
})
afterAll(() => room[Symbol.asyncDispose]())

const dayMs = 86_400_000
const everything = { limit: 100 }
const deliveriesOf = async (endpointId: string) => (await room.webhooks.deliveries(room.accountId, endpointId, everything)).entries
const idsOf = (arrivals: readonly Arrival[]) => arrivals.map(({ headers }) => headers['webhook-id'])

test('an event arrives, signed, as the body that OpenAI sends', async () => {
  await using receiver = await startReceiver()
  const { id, secret } = await room.endpointAt(receiver)
  const event = await room.happen()
  await room.queue.runAll()
  expect(receiver.arrivals).toHaveLength(1)
  const [arrival] = receiver.arrivals
  if (arrival === undefined) throw new Error('nothing arrived')
  expect(verified(arrival, secret)).toEqual({
    ...{ id: event.id, object: 'event', type: 'batch.completed', data: { id: event.subjectId } },
    created_at: Math.floor(event.createdAtMs / 1_000),
  })
  expect(idsOf(receiver.arrivals)).toEqual([event.id])
  expect(await deliveriesOf(id)).toMatchObject([
    { eventId: event.id, state: 'delivered', attempts: 1, lastStatus: 204, lastError: undefined },
  ])
  await room.webhooks.delete(room.accountId, id)
})

test('it goes to every endpoint of its account that wants its type, and to no other', async () => {
  await using receiver = await startReceiver()
  const other = await room.newAccount()
  const wanted = await room.endpointAt(receiver, { events: ['request.completed', 'request.failed'] })
  const wantedToo = await room.endpointAt(receiver, { events: ['request.failed'] })
  const unwanted = await room.endpointAt(receiver, { events: ['batch.failed'] })
  const foreign = await room.endpointAt(receiver, { accountId: other, events: ['request.failed'] })
  const disabled = await room.endpointAt(receiver, { events: ['request.failed'] })
  await room.webhooks.update(room.accountId, disabled.id, { enabled: false })
  const event = await room.happen('request.failed')
  await room.queue.runAll()
  expect(receiver.arrivals).toHaveLength(2)
  for (const { id } of [wanted, wantedToo]) expect(await deliveriesOf(id)).toMatchObject([{ eventId: event.id, state: 'delivered' }])
  for (const { id } of [unwanted, disabled]) expect(await deliveriesOf(id)).toEqual([])
  expect((await room.webhooks.deliveries(other, foreign.id, everything)).entries).toEqual([])
  for (const { id } of [wanted, wantedToo, unwanted, disabled]) await room.webhooks.delete(room.accountId, id)
})

/** What a receiver does wrong at first, and what is known of it afterwards. */
const failures: readonly (readonly [string, ReceiverWay | 'down' | 'untrusted', object])[] = [
  ['it is down', 'down', { lastStatus: undefined, lastError: 'connection_failed' }],
  ['it answers 500', { status: 500 }, { lastStatus: 500, lastError: 'not_accepted' }],
  ['it answers 404', { status: 404 }, { lastStatus: 404, lastError: 'not_accepted' }],
  ['it never answers', 'hang', { lastStatus: undefined, lastError: 'timed_out' }],
  ['it redirects', { status: 302, headers: { location: 'https://example.com/' } }, { lastStatus: 302, lastError: 'redirect_not_followed' }],
  ['it is overrun', { status: 429, headers: { 'retry-after': '60' } }, { lastStatus: 429, lastError: 'not_accepted' }],
  ['the machine before it is overrun', { status: 502 }, { lastStatus: 502, lastError: 'not_accepted' }],
  ['it resets the connection', 'reset', { lastStatus: undefined, lastError: 'connection_failed' }],
  ['its headers have no end', 'endless head', { lastStatus: undefined, lastError: 'bad_answer' }],
  ['it does not speak HTTP', 'garbage', { lastStatus: undefined, lastError: 'bad_answer' }],
  ['its certificate is not trusted', 'untrusted', { lastStatus: undefined, lastError: 'tls_failed' }],
]

describe.each(failures)('while %s', (_what, way, known) => {
  test('the event comes again under the same id until it is taken', async () => {
    const encrypted = way === 'untrusted'
    await using first = await startReceiver({ encrypted })
    if (way !== 'down' && way !== 'untrusted') first.way = (_arrival, number) => (number < 2 ? way : accepted)
    if (way === 'down') await first[Symbol.asyncDispose]()
    const { id, secret } = await room.endpointAt(first)
    const event = await room.happen()
    const startMs = room.clock.ms
    await room.queue.runAll(startMs)
    expect(await deliveriesOf(id)).toMatchObject([{ state: 'pending', attempts: 1, ...known }])
    await using mended = way === 'down' || encrypted ? await startReceiver() : undefined
    if (mended !== undefined) await room.webhooks.update(room.accountId, id, { url: mended.url })
    await room.queue.runAll()
    const arrivals = [...first.arrivals, ...(mended?.arrivals ?? [])]
    expect(new Set(idsOf(arrivals))).toEqual(new Set([event.id]))
    expect(await deliveriesOf(id)).toMatchObject([
      { state: 'delivered', lastStatus: 204, lastError: undefined, nextAttemptAtMs: undefined },
    ])
    expect((await room.webhooks.find(room.accountId, id)).failingSinceMs).toBeUndefined()
    // The clock of the test has run ahead of that of the library that checks, which allows five minutes.
    const signed = arrivals.filter(({ headers }) => Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1_000) < 240)
    for (const arrival of signed) expect(verified(arrival, secret)).toMatchObject({ id: event.id })
    await room.webhooks.delete(room.accountId, id)
  })
})

test('the attempts follow the schedule, each with a time of its own, and then end', async () => {
  await using receiver = await startReceiver()
  receiver.way = () => ({ status: 500 })
  const { id } = await room.endpointAt(receiver)
  const startMs = room.clock.ms
  await room.happen()
  await room.queue.runAll()
  const seconds = receiver.arrivals.map(({ headers }) => Number(headers['webhook-timestamp']) - Math.floor(startMs / 1_000))
  const standard = [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 272_105]
  expect(seconds).toHaveLength(10)
  for (const [index, second] of seconds.entries()) {
    expect(second).toBeGreaterThanOrEqual((standard[index] ?? 0) - 1)
    expect(second).toBeLessThanOrEqual((standard[index] ?? 0) * 1.1 + 1)
  }
  expect(new Set(idsOf(receiver.arrivals)).size).toBe(1)
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'failed', attempts: 10, lastStatus: 500, nextAttemptAtMs: undefined }])
  await room.webhooks.delete(room.accountId, id)
})

test('410 disables the endpoint, which is then left alone until its owner enables it', async () => {
  await using receiver = await startReceiver()
  receiver.way = () => ({ status: 410 })
  const { id } = await room.endpointAt(receiver)
  await room.happen()
  await room.queue.runAll()
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'failed', attempts: 1, lastError: 'gone' }])
  const endpoint = await room.webhooks.find(room.accountId, id)
  expect(endpoint).toMatchObject({ disabledAtMs: room.clock.ms, disabledReason: 'It answered 410 Gone.' })
  await room.happen()
  await room.queue.runAll()
  expect(receiver.arrivals).toHaveLength(1)
  receiver.way = () => accepted
  const enabled = await room.webhooks.update(room.accountId, id, { enabled: true })
  expect(enabled).toMatchObject({ disabledAtMs: undefined, disabledReason: undefined, failingSinceMs: undefined })
  await room.happen()
  await room.queue.runAll()
  expect(receiver.arrivals).toHaveLength(2)
  await room.webhooks.delete(room.accountId, id)
})

test('nothing but failures for five days disables the endpoint; one success in between does not let it come to that', async () => {
  await using receiver = await startReceiver()
  receiver.way = () => ({ status: 500 })
  const { id } = await room.endpointAt(receiver)
  const disabledAfter = async (days: number) => {
    for (let day = 0; day < days; day++) {
      await room.happen()
      await room.queue.runDue()
      await room.queue.runDue()
      room.clock.ms += dayMs
    }
    return (await room.webhooks.find(room.accountId, id)).disabledReason
  }
  expect(await disabledAfter(5)).toBeUndefined()
  receiver.way = () => accepted
  await room.happen()
  await room.queue.runAll(room.clock.ms)
  expect((await room.webhooks.find(room.accountId, id)).failingSinceMs).toBeUndefined()
  receiver.way = () => ({ status: 500 })
  expect(await disabledAfter(5)).toBeUndefined()
  expect(await disabledAfter(1)).toBe('Every attempt failed for 5 days.')
  const attempts = receiver.arrivals.length
  await room.queue.runAll()
  expect(receiver.arrivals.length).toBe(attempts)
  expect((await deliveriesOf(id)).filter(({ state }) => state === 'pending')).toEqual([])
  await room.webhooks.delete(room.accountId, id)
})

test('one that asks to be left alone is, with other events too, and none of them is lost or counted as tried', async () => {
  await using receiver = await startReceiver()
  receiver.way = (_arrival, number) => (number === 0 ? { status: 429, headers: { 'retry-after': '3600' } } : accepted)
  const { id } = await room.endpointAt(receiver)
  const startMs = room.clock.ms
  await room.happen()
  await room.queue.runAll(startMs)
  for (let count = 0; count < 7; count++) await room.happen()
  await room.queue.runAll(startMs + 3_599_000)
  expect(receiver.arrivals).toHaveLength(1)
  await room.queue.runAll()
  expect(new Set(idsOf(receiver.arrivals)).size).toBe(8)
  expect((await deliveriesOf(id)).map(({ state, attempts }) => [state, attempts]).sort()).toEqual([
    ...Array(7).fill(['delivered', 1]),
    ['delivered', 2],
  ])
  await room.webhooks.delete(room.accountId, id)
})

test('an endpoint has five deliveries at once, and the rest come later', async () => {
  await using receiver = await startReceiver()
  const open = Promise.withResolvers<ReceiverWay>()
  receiver.way = () => open.promise
  const { id } = await room.endpointAt(receiver)
  for (let count = 0; count < 20; count++) await room.happen()
  await room.queue.runDue()
  const running = room.queue.runDue()
  await receiver.arrived(5)
  open.resolve(accepted)
  await running
  expect(receiver.arrivals).toHaveLength(5)
  await room.queue.runAll()
  expect(receiver.atOnceMost()).toBe(5)
  expect(new Set(idsOf(receiver.arrivals)).size).toBe(20)
  await room.webhooks.delete(room.accountId, id)
})

test('a job that is given twice ends as if it had been given once', async () => {
  await using receiver = await startReceiver()
  receiver.way = (_arrival, number) => (number < 2 ? { status: 500 } : accepted)
  const { id } = await room.endpointAt(receiver)
  const event = await room.happen()
  await room.queue.send('job-event', { eventId: event.id })
  await room.queue.runDue()
  expect(room.queue.jobs.filter(({ queue }) => queue === 'webhook-delivery')).toHaveLength(1)
  const again = { eventId: event.id, endpointId: id, attempt: '0' }
  await room.queue.send('webhook-delivery', again)
  await room.queue.runDue()
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'pending', attempts: 1 }])
  expect(room.queue.jobs).toHaveLength(1)
  await room.queue.send('webhook-delivery', again)
  await room.queue.runDue()
  expect(receiver.arrivals).toHaveLength(2)
  await room.queue.runAll()
  await room.queue.send('webhook-delivery', again)
  await room.queue.runAll()
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'delivered', attempts: 2 }])
  await room.webhooks.delete(room.accountId, id)
})

test('an attempt that is cut off by a stopping server is none, and is made again', async () => {
  await using receiver = await startReceiver()
  receiver.way = (_arrival, number) => (number === 0 ? 'hang' : accepted)
  const { id } = await room.endpointAt(receiver)
  const event = await room.happen()
  await room.queue.runDue()
  const stopping = new AbortController()
  const running = room.queue.runDue(stopping.signal)
  await receiver.arrived(1)
  stopping.abort(new Error('stopping'))
  await running
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'pending', attempts: 0 }])
  await room.queue.runAll()
  expect(idsOf(receiver.arrivals)).toEqual([event.id, event.id])
  expect(await deliveriesOf(id)).toMatchObject([{ state: 'delivered', attempts: 1 }])
  await room.webhooks.delete(room.accountId, id)
})

test('with the old secret kept both sign for a day, and then the new one alone', async () => {
  await using receiver = await startReceiver()
  const { id, secret: old } = await room.endpointAt(receiver)
  const { secret } = await room.webhooks.rotateSecret(room.accountId, id, { keepOld: true })
  const signatures = async () => {
    await room.happen()
    await room.queue.runAll()
    return receiver.arrivals.at(-1)?.headers['webhook-signature']?.split(' ').length
  }
  expect(secret).not.toBe(old)
  expect(await signatures()).toBe(2)
  room.clock.ms += dayMs - 60_000
  expect(await signatures()).toBe(2)
  room.clock.ms += 120_000
  expect(await signatures()).toBe(1)
  await room.webhooks.delete(room.accountId, id)
})

test('no secret, no address and nothing of an answer is in any log', async () => {
  await using receiver = await startReceiver()
  const canary = 'a-word-of-the-receiver'
  receiver.way = () => ({ status: 500, body: canary, headers: { 'x-canary': canary } })
  const { id, secret } = await room.endpointAt({ url: `${receiver.url}?token=${canary}` })
  await room.happen()
  await room.queue.runAll(room.clock.ms)
  receiver.way = () => ({ status: 410, body: canary })
  await room.queue.runAll()
  const logged = room.logged()
  expect(logged).toContain(id)
  for (const word of [secret, secret.replace('whsec_', ''), canary, receiver.url]) expect(logged).not.toContain(word)
  expect(JSON.stringify(await deliveriesOf(id))).not.toContain(canary)
  await room.webhooks.delete(room.accountId, id)
})
