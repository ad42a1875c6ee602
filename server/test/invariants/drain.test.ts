import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { expect, test } from 'vitest'
import { layGround, openRooms } from '../../src/context.ts'
import { freshDataFolder } from '../data-folder.ts'
import { embedPath } from '../harness.ts'
import { spawnServer } from '../server-process.ts'

const clients = 12

interface Outcome {
  /** Whether the request left on a connection that had been used before the server was told to stop. */
  readonly sentBefore: boolean
  /** 200, another status, or the code of a connection error. */
  readonly result: number | string
  readonly requestId: string | undefined
  readonly connection: string | undefined
}

test('SIGTERM under load loses no accepted request, bills exactly what was delivered, and exits 0', async () => {
  await using folder = await freshDataFolder()
  await using server = await spawnServer(folder.path, { NEARFIELD_DRAIN_NOTICE_MS: '500' })
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  const [key] = await server.printed(/nf_live_\w+/)
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const outcomes: Outcome[] = []
  let signalled = false

  const ask = (): Promise<Outcome> => {
    const sentBefore = !signalled
    const body = JSON.stringify({ input: ['a short text', 'and a somewhat longer one, so that the engine is busy when the signal comes'] })
    const headers = { 'x-api-key': key, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve) => {
      const failed = (error: NodeJS.ErrnoException) => {
        resolve({ sentBefore, result: error.code ?? error.message, requestId: undefined, connection: undefined })
      }
      const outgoing = request(url + embedPath, { agent, method: 'POST', headers }, (reply) => {
        reply.resume()
        reply.on('error', failed)
        reply.on('end', () => {
          const { 'x-request-id': requestId, connection } = reply.headers
          resolve({ sentBefore, result: reply.statusCode ?? 0, requestId: requestId?.toString(), connection })
        })
      })
      outgoing.on('error', failed)
      outgoing.end(body)
    })
  }
  const client = async () => {
    for (let last: Outcome | undefined; ; ) {
      const outcome = await ask()
      outcomes.push(outcome)
      if (outcomes.length === 10 * clients) {
        server.child.kill('SIGTERM')
        signalled = true
      }
      if (outcome.result !== 200) {
        expect(last?.connection, 'the last answer tells its client to leave').toBe('close')
        return
      }
      last = outcome
    }
  }
  await Promise.all([...Array.from({ length: clients }, client), sawUnready(url, () => signalled)])
  expect(await server.ended()).toBe(0)
  agent.destroy()

  const delivered = outcomes.filter(({ result }) => result === 200)
  expect(outcomes.filter(({ sentBefore, result }) => sentBefore && result !== 200)).toEqual([])
  // After the signal a client may only meet a door that is closed, never an answer that is not one.
  const afterwards = new Set(outcomes.filter(({ result }) => result !== 200).map(({ result }) => result))
  expect(['ECONNREFUSED', 'ECONNRESET']).toEqual(expect.arrayContaining([...afterwards]))
  expect(delivered.filter(({ sentBefore }) => !sentBefore).length).toBeGreaterThan(0)

  await using rooms = await openRooms(layGround({ NEARFIELD_DATA_DIR: folder.path, NEARFIELD_LOG_LEVEL: 'silent' }))
  const rows = await rooms.database.query<{ id: string }>({ name: 'test: usage ids', text: 'select request_id as id from usage' }, [])
  expect(rows.map(({ id }) => id).sort()).toEqual(delivered.map(({ requestId }) => requestId).sort())
  expect((await rooms.checkLedger()).breaches).toEqual([])
})

/** Asks until the server says it is leaving. */
async function sawUnready(url: string, signalled: () => boolean): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/readyz`)
    if (answer.status === 503) {
      expect(await answer.json()).toEqual({ status: 'unready', reasons: ['The server is stopping.'] })
      return
    }
    await answer.arrayBuffer()
    if (!signalled()) await new Promise(setImmediate)
  }
}

test('a request whose body is still on its way when the signal comes is answered, without any notice period', async () => {
  await using folder = await freshDataFolder()
  await using server = await spawnServer(folder.path)
  const [, url = ''] = await server.printed(/serves (http:\S+)/)
  const [key] = await server.printed(/nf_live_\w+/)
  const texts = Array.from({ length: 256 }, (_, index) => `text ${index} ${'with some words '.repeat(12)}`)
  const body = JSON.stringify({ input: texts })
  const headers = {
    'x-api-key': key,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    expect: '100-continue',
  }
  const outgoing = request(url + embedPath, { method: 'POST', headers })
  outgoing.flushHeaders()
  // The server has read the head of the request and wants its body: from here on it is accepted.
  await once(outgoing, 'continue')
  outgoing.end(body)
  server.child.kill('SIGTERM')
  const [reply]: IncomingMessage[] = await once(outgoing, 'response')
  expect(reply?.statusCode).toBe(200)
  const text = await reply?.setEncoding('utf8').reduce((whole, chunk) => whole + chunk, '')
  expect(JSON.parse(String(text))).toMatchObject({ embeddings: { length: 256 } })
  expect(await server.ended()).toBe(0)
})
