import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./spending-process.ts', import.meta.url))

/** A process of its own that spends, and what it has said so far. */
export interface Spending {
  readonly child: ChildProcess
  readonly paid: string[]
  readonly refused: string[]
  /** Starts it off. */
  start(): void
  /** Resolves once it has said so many times that it paid. */
  paidTimes(count: number): Promise<void>
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>
}

/** Starts a spending process and waits until it has opened the database. */
export async function startSpending(order: {
  place: string
  accountId: string
  cost: bigint
  callers: number
  requests: number
}): Promise<Spending> {
  const { place, accountId, cost, callers, requests } = order
  const child = spawn(process.execPath, [program, place, accountId, String(cost), String(callers), String(requests)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close').then(() => undefined)
  const lines = createInterface({ input: child.stdout })
  const paid: string[] = []
  const refused: string[] = []
  async function paidTimes(count: number): Promise<void> {
    while (paid.length < count) await Promise.race([once(lines, 'line'), ended.then(() => Promise.reject(new Error('it ended before')))])
  }
  child.stdin.on('error', () => undefined)
  const ready = Promise.withResolvers<void>()
  void ended.then(() => ready.reject(new Error('the spending process ended before it was ready')))
  ready.promise.catch(() => undefined)
  lines.on('line', (line) => {
    const [word, what = ''] = line.split(' ')
    if (word === 'ready') ready.resolve()
    else if (word === 'paid') paid.push(what)
    else if (word === 'refused') refused.push(what)
  })
  await ready.promise
  return { child, paid, refused, start: () => child.stdin.write('start\n'), paidTimes, ended }
}
