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

/** Sends one call after the other until told to stop. */
export async function runClient({ url, account, poor, seed, pauseMs }: SoakClient, tally: SoakTally, stop: AbortSignal): Promise<void> {
  const calls = new SoakCalls(seed)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!stop.aborted) {
    const dealt = calls.next()
    const call = poor && dealt.expected.includes(200) ? { ...dealt, expected: [...dealt.expected, 406] } : dealt
    const { status, text } = await send(agent, url, account.key, call)
    tally.count(call, status, text)
    if (pauseMs > 0) await sleep(pauseMs * Math.random())
  }
  agent.destroy()
}

function send(agent: Agent, url: string, key: string, call: SoakCall): Promise<{ status: number | 'hung up'; text: string }> {
  const headers = { 'x-api-key': key, ...call.headers, 'content-length': Buffer.byteLength(call.body) }
  return new Promise((resolve) => {
    let hungUp: NodeJS.Timeout | undefined
    const done = (status: number | 'hung up', text: string) => {
      clearTimeout(hungUp)
      resolve({ status, text })
    }
    const failed = (error: Error) => done(outgoing.destroyed && call.hangUpMs !== undefined ? 'hung up' : 0, error.message)
    const outgoing = request(url + call.path, { agent, method: 'POST', headers }, (reply) => {
      const status = reply.statusCode ?? 0
      let text = ''
      reply.on('error', failed)
      if (call.expected.includes(status)) reply.resume()
      else reply.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      reply.on('end', () => done(status, text))
    })
    outgoing.on('error', failed)
    if (call.hangUpMs !== undefined) hungUp = setTimeout(() => outgoing.destroy(), call.hangUpMs)
    outgoing.end(call.body)
  })
}
