import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/test/harness.ts'
import { type Receiver, startReceiver } from '../server/test/webhooks/receiver.ts'
import { openAiClientFor } from './clients/openai.ts'
import { createBatch, linesOf } from './clients/openai-batches.ts'

// Webhooks as OpenAI's own client manages them and checks what arrives.

let server: TestServer
let receiver: Receiver
let client: OpenAI
beforeAll(async () => {
  receiver = await startReceiver()
  server = await startTestServer({ environment: { NEARFIELD_WEBHOOKS_ALLOW: `127.0.0.1:${receiver.port}` } })
  client = openAiClientFor(server)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const wanted = () => ({
  name: 'test',
  url: receiver.url,
  event_types: ['batch.completed', 'batch.failed'] as ('batch.completed' | 'batch.failed')[],
})
const lastArrival = () => {
  const arrival = receiver.arrivals.at(-1)
  if (arrival === undefined) throw new Error('nothing arrived')
  return arrival
}

test('webhooks.unwrap on a delivered event: of a batch, from its upload to the event that says it is completed', async () => {
  const { id, signing_secret: secret } = await client.webhooks.create(wanted())
  const lines = linesOf([{ custom_id: 'a', body: { model: 'gemini-embedding-001', input: 'hello' } }])
  const { id: batchId } = await createBatch(client, lines)
  await receiver.arrived(1)
  const { body, headers } = lastArrival()
  const event = await client.webhooks.unwrap(body, headers, secret)
  expect(event).toEqual({
    ...{ id: headers['webhook-id'], object: 'event', type: 'batch.completed', data: { id: batchId } },
    created_at: expect.any(Number),
  })
  // What the event is about is finished when the event says so.
  expect(await client.batches.retrieve(batchId)).toMatchObject({ status: 'completed' })
  await client.webhooks.delete(id)
})

test('unwrap refuses a body that was changed, another secret and an old time', async () => {
  const { id, signing_secret: secret } = await client.webhooks.create(wanted())
  await client.webhooks.test(id, { event_type: 'batch.failed' })
  const { body, headers } = lastArrival()
  expect(await client.webhooks.unwrap(body, headers, secret)).toMatchObject({ type: 'batch.failed' })
  const { signing_secret: other } = await client.webhooks.rotateSecret(id)
  const older = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) - 301) }
  for (const [text, signed, key] of [
    [`${body} `, headers, secret],
    [body, headers, other],
    [body, older, secret],
  ] as const) {
    await expect(client.webhooks.unwrap(text, signed, key)).rejects.toBeInstanceOf(OpenAI.InvalidWebhookSignatureError)
  }
  await client.webhooks.delete(id)
})

test('endpoints are made, found, changed, listed to the end, tested and deleted', async () => {
  const made: string[] = []
  for (let count = 0; count < 3; count++) made.unshift((await client.webhooks.create(wanted())).id)
  const listed: string[] = []
  for await (const { id } of client.webhooks.list({ limit: 2 })) listed.push(id)
  expect(listed).toEqual(made)
  const [id = ''] = made
  expect(await client.webhooks.update(id, { name: 'other' })).toMatchObject({ object: 'webhook_endpoint', name: 'other' })
  expect(await client.webhooks.retrieve(id)).toMatchObject({ id, name: 'other', signing_secret_hint: expect.any(String) })
  expect(await client.webhooks.test(id, { event_type: 'batch.completed' })).toMatchObject({ status_code: 204, success: true })
  expect((await client.webhooks.eventTypes.list()).data).toContain('batch.cancelled')
  for (const each of made)
    expect(await client.webhooks.delete(each)).toEqual({ id: each, object: 'webhook_endpoint.deleted', deleted: true })
  await expect(client.webhooks.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
})

test('while a secret is replaced the client accepts with either', async () => {
  const { id, signing_secret: old } = await client.webhooks.create(wanted())
  const { signing_secret: secret } = await client.webhooks.rotateSecret(id, { keep_old_secret_active_for_24_hours: true })
  await client.webhooks.test(id, { event_type: 'batch.completed' })
  const { body, headers } = lastArrival()
  for (const key of [old, secret]) expect(await client.webhooks.unwrap(body, headers, key)).toMatchObject({ type: 'batch.completed' })
  await client.webhooks.delete(id)
})
