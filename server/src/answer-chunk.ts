import { setTimeout as sleep } from 'node:timers/promises'
import type { Principal } from './access/principal.ts'
import type { Chunk, ReadLine } from './batch-chunks.ts'
import type { OutputLine } from './batch-output.ts'
import { jobKey } from './billing/job-key.ts'
import type { EmbedRequest } from './embedding/request.ts'
import { NearfieldError, toNearfieldError } from './errors.ts'
import { newId } from './ids.ts'
import type { JobSettings } from './job-settings.ts'
import type { NanoDollars } from './money.ts'
import type { Caller, Served, Services } from './serve.ts'
import { type ServedLine, serveLines } from './serve-lines.ts'

/** What became of the lines of a chunk. */
export interface AnsweredChunk {
  readonly chunk: Chunk
  readonly lines: readonly OutputLine[]
  readonly completed: number
  readonly failed: number
  readonly tokens: number
  readonly cost: NanoDollars
}

export interface ChunkSurroundings {
  readonly batchId: string
  readonly principal: Principal
  readonly services: Services
  readonly limits: JobSettings['batches']
  readonly failuresApart: boolean
  /** Whether the chunk was run line by line before. */
  isSplit(chunk: number): boolean
  /** Remembers it, before any line of it is run alone. */
  split(chunk: number): Promise<void>
}

type Outcome = ServedLine | NearfieldError

interface RunnableLine extends ReadLine {
  readonly request: EmbedRequest
}

/** Errors that one of the lines may be the reason of, so that the others are tried without it. */
const maybeOfOneLine: ReadonlySet<NearfieldError['code']> = new Set(['engine_failed', 'insufficient_credits'])

/**
 * Embeds a chunk and writes its lines down.
 *
 * All that can be embedded is one request, charged under a key of its own: after a crash the same lines are charged no second time.
 * Where that cannot be because of one of them, each is run alone from then on, and that is remembered first, because a line that
 * was charged alone must never be charged together.
 *
 * @throws NearfieldError that is retryable, when the server stayed at its limit or a part of it down: nothing of the chunk is lost
 */
export async function answerChunk(chunk: Chunk, surroundings: ChunkSurroundings): Promise<AnsweredChunk> {
  const runnable = chunk.lines.filter((line): line is RunnableLine => !(line.request instanceof NearfieldError))
  const outcomes = runnable.length === 0 ? [] : await serveTogetherOrAlone(chunk, runnable, surroundings)
  const byLine = new Map(runnable.map((line, index) => [line.number, outcomes[index]]))
  const served = new Set<Served>()
  let [completed, failed, tokens] = [0, 0, 0]
  const lines = chunk.lines.map((line): OutputLine => {
    const outcome = line.request instanceof NearfieldError ? line.request : byLine.get(line.number)
    if (outcome === undefined) throw new RangeError('a line has no outcome')
    if (outcome instanceof NearfieldError) {
      failed++
      const requestId = newId('req', surroundings.services.clock.now())
      return { text: line.refused(outcome, requestId), to: surroundings.failuresApart ? 'errors' : 'output' }
    }
    completed++
    tokens += outcome.tokens
    served.add(outcome.served)
    return { text: line.answered(answerOf(outcome)), to: 'output' }
  })
  const cost = [...served].reduce((sum, { cost }) => sum + cost, 0n)
  return { chunk, lines, completed, failed, tokens, cost }
}

function answerOf({ served, vectors, reports, space, notes, tokens }: ServedLine) {
  return {
    ...served,
    vectors,
    reports,
    space,
    notes,
    tokens,
    cachedTokens: 0,
    resetAtMs: served.rateLimit.resetAtMs,
    totalMs: served.timings.inferMs,
  }
}

async function serveTogetherOrAlone(chunk: Chunk, lines: readonly RunnableLine[], surroundings: ChunkSurroundings): Promise<Outcome[]> {
  if (!surroundings.isSplit(chunk.number)) {
    try {
      return await servePatiently(lines, surroundings)
    } catch (thrown) {
      const error = toNearfieldError(thrown)
      if (!maybeOfOneLine.has(error.code) || lines.length === 1) return lines.map(() => unlessItMayPass(error))
      await surroundings.split(chunk.number)
    }
  }
  const outcomes: Outcome[] = []
  for (const line of lines) {
    const [outcome] = await servePatiently([line], surroundings).catch((thrown) => [unlessItMayPass(toNearfieldError(thrown))])
    if (outcome === undefined) throw new RangeError('a line has no outcome')
    outcomes.push(outcome)
  }
  return outcomes
}

/** What may pass must not be written down as the end of a line. */
function unlessItMayPass(error: NearfieldError): NearfieldError {
  if (mayPass(error)) throw error
  return error
}

/** An engine that failed has tried again by itself, on another replica or at another address. */
function mayPass(error: NearfieldError): boolean {
  return error.retryable && error.code !== 'engine_failed'
}

/** Tries again, a few times with growing pauses, while that may help. */
async function servePatiently(lines: readonly RunnableLine[], surroundings: ChunkSurroundings): Promise<Outcome[]> {
  const { limits } = surroundings
  for (let attempt = 1; ; attempt++) {
    try {
      return await serveOnce(lines, surroundings)
    } catch (thrown) {
      const error = toNearfieldError(thrown)
      if (!mayPass(error) || attempt === limits.attemptsMax) throw error
      const { retryAfterMs } = error.details
      const pauseMs = typeof retryAfterMs === 'number' ? retryAfterMs : limits.retryPauseMs * 2 ** attempt
      await sleep(Math.min(pauseMs, limits.retryPauseMsMax))
    }
  }
}

async function serveOnce(lines: readonly RunnableLine[], { batchId, principal, services, limits }: ChunkSurroundings): Promise<Outcome[]> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(new NearfieldError('deadline_exceeded')), limits.chunkDeadlineMs)
  const caller: Caller = {
    requestId: newId('req', services.clock.now()),
    principal,
    signal: patience.signal,
    deadlineMs: services.clock.monotonicMs() + limits.chunkDeadlineMs,
    lane: 'bulk',
    // A batch costs half as it is, and would drive everybody else's vectors out.
    cache: 'off',
    tariff: 'batch',
    idempotencyKey: jobKey(batchId, lines[0]?.number, lines.at(-1)?.number),
  }
  try {
    return await serveLines(
      lines.map(({ request }) => request),
      caller,
      services,
    )
  } finally {
    clearTimeout(timer)
  }
}
