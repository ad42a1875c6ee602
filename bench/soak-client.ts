import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SoakAccount } from './soak-accounts.ts'
import { type SoakCall, SoakCalls } from './soak-calls.ts'

/** What became of the calls of a soak so far. */
export class SoakTally {
  /** By kind, then by status; `hung up` counts callers who did not wait. */
  readonly answers = new Map<string, Map<number | 'hung up', number>>()
  readonly #wrong = new Map<string, number>()
  requests = 0

  count({ kind, expected }: SoakCall, status: number | 'hung up', text: string): void {
    this.requests++
    const row = this.answers.get(kind) ?? new Map<number | 'hung up', number>()
    row.set(status, (row.get(status) ?? 0) + 1)
    this.answers.set(kind, row)
    if (status === 'hung up' || expected.includes(status)) return
    const sentence = `${kind} was answered ${status} instead of ${expected.join(' or ')}: ${text.slice(0, 200)}`
    this.#wrong.set(sentence, (this.#wrong.get(sentence) ?? 0) + 1)
  }

  /** Sentences about answers that should not have been, each with how often it is true. */
  wrong(): string[] {
    return [...this.#wrong].map(([sentence, count]) => `${count} times: ${sentence}`)
  }
}

export interface SoakClient {
  readonly url: string
  readonly account: SoakAccount
  /** Whether the account's credit is meant to run out, so that 406 is right, too. */
  readonly poor: boolean
  readonly seed: number
  /** Milliseconds between an answer and the next request, at most. */
  readonly pauseMs: number
}

const overloaded = 429
/** A caller who is told to come back later than this goes on with something else. */
const patienceSeconds = 5

/** Sends one call after the other until told to stop. One that is refused because too much waits is sent again when told to. */
export async function runClient({ url, account, poor, seed, pauseMs }: SoakClient, tally: SoakTally, stop: AbortSignal): Promise<void> {
  const calls = new SoakCalls(seed)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const pause = (ms: number) => sleep(ms, undefined, { signal: stop }).catch(() => undefined)
  let refused: SoakCall | undefined
  while (!stop.aborted) {
    const call = refused ?? allowing(calls.next(), poor)
    const { status, text, retryAfterSeconds } = await send(agent, url, account.key, call)
    tally.count(call, status, text)
    const comesBack = status === overloaded && call.expected.includes(200) && retryAfterSeconds <= patienceSeconds
    refused = comesBack ? call : undefined
    await pause(comesBack ? retryAfterSeconds * 1_000 : pauseMs * Math.random())
  }
  agent.destroy()
}

/** A good call may also be refused for the load, which is no fault, and a poor account's for its credit. */
function allowing(call: SoakCall, poor: boolean): SoakCall {
  if (!call.expected.includes(200)) return call
  return { ...call, expected: [...call.expected, overloaded, ...(poor ? [406] : [])] }
}

interface SoakAnswer {
  readonly status: number | 'hung up'
  readonly text: string
  readonly retryAfterSeconds: number
}

function send(agent: Agent, url: string, key: string, call: SoakCall): Promise<SoakAnswer> {
  const headers = { 'x-api-key': key, ...call.headers, 'content-length': Buffer.byteLength(call.body) }
  return new Promise((resolve) => {
    let hungUp: NodeJS.Timeout | undefined
    const done = (status: number | 'hung up', text: string, retryAfter = '') => {
      clearTimeout(hungUp)
      resolve({ status, text, retryAfterSeconds: Number(retryAfter) })
    }
    const failed = (error: Error) => done(outgoing.destroyed && call.hangUpMs !== undefined ? 'hung up' : 0, error.message)
    const outgoing = request(url + call.path, { agent, method: 'POST', headers }, (reply) => {
      const status = reply.statusCode ?? 0
      let text = ''
      reply.on('error', failed)
      if (call.expected.includes(status)) reply.resume()
      else reply.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      reply.on('end', () => done(status, text, reply.headers['retry-after']))
    })
    outgoing.on('error', failed)
    if (call.hangUpMs !== undefined) hungUp = setTimeout(() => outgoing.destroy(), call.hangUpMs)
    outgoing.end(call.body)
  })
}
