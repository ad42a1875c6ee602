import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { newId } from '../../src/ids.ts'
import { openJobs } from '../../src/jobs/open-jobs.ts'
import type { JobQueue } from '../../src/jobs/queue.ts'
import { openWebhooks } from '../../src/webhooks/webhooks.ts'
import { freshDataFolder } from '../data-folder.ts'
import { spawnServer } from '../server-process.ts'
import { accepted, type Receiver, startReceiver, verified } from '../webhooks/receiver.ts'

const kills = 4
const eventsPerRound = 20
/** Five starts of a server, and after each some seconds until the queue misses the one that died. */
const timeoutMs = 900_000

test(`after ${kills} times kill -9 of the server that delivers, every event has arrived under its own id, and every delivery is known to have`, {
  timeout: timeoutMs,
}, async () => {
  await using folder = await freshDataFolder()
  await using receiver = await startReceiver()
  const environment = {
    NEARFIELD_DATA_DIR: folder.path,
    NEARFIELD_LOG_LEVEL: 'trace',
    NEARFIELD_WEBHOOKS_ALLOW: `127.0.0.1:${receiver.port}`,
    NEARFIELD_WEBHOOKS_SCHEDULE_SECONDS: Array(20).fill('1').join(','),
  }
  const events: string[] = []
  const logs: string[] = []
  const { id: endpointId, secret, key, accountId } = await makeEndpoint(environment, receiver)
  for (let round = 0; round < kills; round++) {
    events.push(...(await makeEvents(environment, accountId, eventsPerRound)))
    await using server = await spawnServer(folder.path, environment)
    // While an answer is awaited, and after a random number of attempts, so that it hits every moment of a delivery.
    const killAt = receiver.arrivals.length + Math.floor(Math.random() * eventsPerRound)
    receiver.way = (_arrival, number) => {
      if (number === killAt) server.child.kill('SIGKILL')
      return number % 5 === 0 ? { status: 503 } : accepted
    }
    await server.ended()
    logs.push(server.stderr(), server.stdout())
  }
  receiver.way = () => accepted
  await using server = await spawnServer(folder.path, environment)
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  const states = () => deliveryStates(`${url}/v1/webhook_endpoints/${endpointId}/deliveries`, key)
  const delivered = Object.fromEntries(events.map((id) => [id, 'delivered']))
  await expect.poll(states, { timeout: 300_000, interval: 500 }).toEqual(delivered)
  expect(new Set(receiver.arrivals.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(events))
  for (const arrival of receiver.arrivals.slice(-eventsPerRound)) {
    expect(verified(arrival, secret)).toMatchObject({ id: arrival.headers['webhook-id'], type: 'batch.completed' })
  }
  process.stdout.write(`${events.length} events arrived in ${receiver.arrivals.length} attempts over ${kills} kills\n`)
  logs.push(server.stderr(), server.stdout())
  expect(logs.join('')).not.toContain(secret.replace('whsec_', ''))
})

type Environment = Readonly<Record<string, string>>

/** Without a server: what it would find had it been killed after these were written. */
async function withRooms<Result>(environment: Environment, act: (rooms: RoomsForTest) => Promise<Result>): Promise<Result> {
  const ground = layGround({ ...environment, NEARFIELD_LOG_LEVEL: 'silent' })
  const { config, clock, telemetry } = ground
  await using rooms = await openRooms(ground)
  await using jobs = openJobs({ database: rooms.database, config, clock, say: () => undefined })
  // Nothing is to be delivered from here.
  const idle: JobQueue = {
    openSoon: () => undefined,
    opened: async () => undefined,
    send: async () => undefined,
    wake: () => undefined,
    work: () => undefined,
  }
  await using webhooks = openWebhooks({ database: rooms.database, config, clock, queue: idle, events: jobs.events, telemetry })
  return await act({ rooms, jobs, webhooks })
}
interface RoomsForTest {
  readonly rooms: Awaited<ReturnType<typeof openRooms>>
  readonly jobs: ReturnType<typeof openJobs>
  readonly webhooks: ReturnType<typeof openWebhooks>
}

interface EndpointForTest {
  readonly id: string
  readonly secret: string
  readonly key: string
  readonly accountId: string
}

function makeEndpoint(environment: Environment, receiver: Receiver): Promise<EndpointForTest> {
  return withRooms(environment, async ({ rooms, webhooks }) => {
    const { id: accountId } = await rooms.access.createAccount({ name: 'test', plan: 'unlimited' })
    const { id, secret } = await webhooks.create(accountId, { name: 'test', url: receiver.url, events: ['batch.completed'] })
    const { secret: key } = await rooms.access.createKey({ account: accountId, name: 'test' })
    return { id, secret, key, accountId }
  })
}

/** Written as the rooms that end a batch write them: the event and its job in one transaction. */
function makeEvents(environment: Environment, accountId: string, count: number): Promise<string[]> {
  return withRooms(environment, async ({ rooms: { database }, jobs: { queue } }) => {
    const ids = Array.from({ length: count }, () => newId('evt', Date.now()))
    const text = `insert into job_events (id, account_id, type, subject_id, expires_at) select id, $2, 'batch.completed', 'batch_a', now() + interval '1 day' from unnest($1::text[]) as made(id)`
    await database.query({ name: 'test: events', text }, [ids, accountId])
    for (const eventId of ids) await queue.send('job-event', { eventId })
    return ids
  })
}

/** What became of each event, from all pages. */
async function deliveryStates(url: string, key: string): Promise<Record<string, string>> {
  const states: Record<string, string> = {}
  for (let after = ''; ; ) {
    const response = await fetch(`${url}?limit=100${after}`, { headers: { authorization: `Bearer ${key}` } })
    const { data, has_more: more, last_id: last } = (await response.json()) as DeliveryPage
    for (const { id, status } of data) states[id] = status
    if (!more) return states
    after = `&after=${last}`
  }
}
interface DeliveryPage {
  readonly data: readonly { readonly id: string; readonly status: string }[]
  readonly has_more: boolean
  readonly last_id: string
}
