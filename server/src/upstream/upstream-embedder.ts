import type { Embedder, EmbedOptions, EmbedOutcome, WholeText } from '../embedding/embedder.ts'
import { estimateTokens } from '../embedding/estimate-tokens.ts'
import { NearfieldError } from '../errors.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Clock } from '../time.ts'
import type { UpstreamLimits } from '../upstream-settings.ts'
import { CallCounts } from './call-counts.ts'
import type { Endpoint } from './endpoint.ts'
import { GatherWindow } from './gather-window.ts'
import { type CallUnderWay, PendingRequest, type WaitingText } from './pending-request.ts'
import { UpstreamError } from './provider.ts'
import { brokenOff, publicFailure, tooBusy } from './public-failure.ts'
import { RetryBudget } from './retry-budget.ts'
import { TextLine } from './text-line.ts'
import { wholeVectors } from './whole-vectors.ts'

export interface UpstreamEmbedderOptions {
  /** The name callers know. */
  readonly model: string
  /** Length of its whole vectors. */
  readonly dimensions: number
  /** All of one vector space: a text may go to any of them. */
  readonly endpoints: readonly Endpoint[]
  readonly limits: UpstreamLimits
  /** What counts as interactive where the caller does not say. */
  readonly interactive: { readonly textsMax: number; readonly tokensMax: number }
  readonly clock: Clock
  readonly log: Telemetry['log']
}

/** How it stands now, and what was sent since the start. */
export interface UpstreamStats {
  readonly waitingTexts: number
  readonly runningCalls: number
  readonly endpoints: Readonly<Record<'open' | 'paused' | 'broken', number>>
  readonly counts: CallCounts
}

/** Texts that go into one call: such as were in one before, or half of it. */
interface Batch {
  readonly texts: readonly WaitingText[]
  /** Where it failed. */
  readonly avoid: Endpoint | undefined
}

/**
 * A model on other machines, asked as few times as possible and never more often than it may be.
 *
 *     waiting --a call is full, or nothing came for a moment, and an endpoint is free--> in a call
 *     in a call --vectors--> delivered
 *     in a call --429--> waiting, its endpoint paused for as long as it said
 *     in a call --failed--> waiting, for another endpoint if there is one; after so many times, or without budget: failed
 *     in a call --a text is not in the replayed recording--> that one failed, the others waiting
 *     in a call --a text is refused, or the answer is wrong--> halves of the call, until the text at fault fails alone
 *     anywhere --its caller gives up--> dropped; a call that nobody waits for is broken off
 *
 * So a call carries texts of many callers, and none of them can fail another's.
 */
export class UpstreamEmbedder implements Embedder<WholeText>, Disposable {
  readonly #options: UpstreamEmbedderOptions
  readonly #line: TextLine
  readonly #window: GatherWindow
  readonly #budget: RetryBudget
  readonly #textsMax: number
  /** Before all that waits in the line. */
  readonly #again: Batch[] = []
  readonly #counts = new CallCounts()
  readonly #pauses = new Set<NodeJS.Timeout>()
  #timer: NodeJS.Timeout | undefined
  /** When the timer is due. */
  #dueMs = Number.POSITIVE_INFINITY
  #soon: NodeJS.Immediate | undefined
  /** Whether the call that started last had texts of several callers. */
  #isShared = false

  constructor(options: UpstreamEmbedderOptions) {
    this.#options = options
    this.#line = new TextLine(options.limits.bulkPercentMin)
    this.#window = new GatherWindow(options.limits)
    this.#budget = new RetryBudget(options.limits)
    this.#textsMax = Math.min(...options.endpoints.map(({ provider }) => provider.textsMax))
  }

  async run(texts: readonly WholeText[], { signal, deadlineMs, lane, places }: EmbedOptions): Promise<EmbedOutcome> {
    signal.throwIfAborted()
    const { clock, interactive } = this.#options
    const nowMs = clock.monotonicMs()
    const request = new PendingRequest(texts.length, deadlineMs, nowMs)
    const waiting = texts.map((text, index) => ({
      text,
      tokens: tokensOf(text),
      request,
      index,
      input: places?.[index] ?? index,
      attempts: 0,
    }))
    const tokens = waiting.reduce((sum, text) => sum + text.tokens, 0)
    this.#admit(waiting, tokens, deadlineMs, nowMs)
    const isSmall = texts.length <= interactive.textsMax && tokens <= interactive.tokensMax
    this.#line.push(waiting, lane ?? (isSmall ? 'interactive' : 'bulk'), nowMs)
    const giveUp = () => {
      request.fail(signal.reason)
      this.#line.dropSettled()
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      // Others wait already: their timer, or a full call, takes this one along.
      if (this.#isFull() || this.#line.length === texts.length) this.#pump()
      return await request.outcome
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  stats(): UpstreamStats {
    const nowMs = this.#options.clock.monotonicMs()
    const endpoints = { open: 0, paused: 0, broken: 0 }
    let runningCalls = 0
    for (const { breaker, pace, calls } of this.#options.endpoints) {
      endpoints[!breaker.closed ? 'broken' : pace.waitMs(0, nowMs) > 0 ? 'paused' : 'open']++
      runningCalls += calls
    }
    return { waitingTexts: this.#line.length, runningCalls, endpoints, counts: this.#counts }
  }

  [Symbol.dispose](): void {
    this.#forgetTimers()
    for (const pause of this.#pauses) clearTimeout(pause)
  }

  /** @throws NearfieldError `payload_too_large`, `overloaded`, `engine_failed` while no endpoint may be called */
  #admit(waiting: readonly WaitingText[], tokens: number, deadlineMs: number, nowMs: number): void {
    const { model, endpoints, limits } = this.#options
    if (waiting.length > limits.queueTextsMax || tokens > limits.queueTokensMax) {
      throw new NearfieldError(
        'payload_too_large',
        `${model} takes ${limits.queueTextsMax} texts and ${limits.queueTokensMax} tokens at most. Split the list.`,
      )
    }
    const brokenMs = Math.min(...endpoints.map(({ breaker }) => breaker.waitMs(nowMs)))
    if (brokenMs > 0 && brokenMs < Number.POSITIVE_INFINITY) throw brokenOff(model, brokenMs)
    const pausedMs = Math.min(...endpoints.map(({ pace }) => pace.waitMs(Math.min(tokens, limits.callTokensMax), nowMs)))
    if (nowMs + pausedMs > deadlineMs) throw tooBusy(model, pausedMs)
    const isFull = this.#line.length + waiting.length > limits.queueTextsMax || this.#line.tokens + tokens > limits.queueTokensMax
    if (isFull) throw tooBusy(model, Math.max(1_000, pausedMs))
  }

  /**
   * Starts every call that may start now, and sees to it that it runs again when the next one may. Only when its timer is
   * due it sends a call that is not full: the system has then handed over all that came meanwhile.
   */
  #pump(isDue = this.#options.limits.gatherMs === 0): void {
    if (isDue) this.#forgetTimers()
    const { clock, limits } = this.#options
    for (;;) {
      const nowMs = clock.monotonicMs()
      const [again] = this.#again
      const gatherMs = again === undefined ? this.#gatherMs(nowMs, isDue) : 0
      if (gatherMs === undefined) return
      if (gatherMs > 0) {
        this.#pumpIn(gatherMs, nowMs)
        return
      }
      const tokens = again === undefined ? Math.min(this.#line.tokens, limits.callTokensMax) : sumOfTokens(again.texts)
      const { endpoint, waitMs } = this.#nextEndpoint(tokens, nowMs, again?.avoid)
      if (waitMs > 0) {
        this.#refuseWhatCannotWait(waitMs, nowMs)
        if (waitMs < Number.POSITIVE_INFINITY && this.#length() > 0) this.#pumpIn(waitMs, nowMs)
        return
      }
      const texts = this.#again.shift()?.texts ?? this.#line.take(this.#textsMax, limits.callTokensMax)
      void this.#call(
        endpoint,
        texts.filter(({ request }) => !request.settled),
      )
    }
  }

  /** Whether the line fills a call. */
  #isFull(): boolean {
    return this.#line.length >= this.#textsMax || this.#line.tokens >= this.#options.limits.callTokensMax
  }

  #length(): number {
    return this.#line.length + this.#again.length
  }

  /** A timer that is due earlier stays: were it set anew by every call that ends, it might never be due. */
  #pumpIn(ms: number, nowMs: number): void {
    // Whatever the system hands over in this turn comes before it.
    if (ms === soonMs) this.#soon ??= setImmediate(() => this.#pump(true))
    if (ms === soonMs || nowMs + ms >= this.#dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = nowMs + ms
    this.#timer = setTimeout(() => this.#pump(true), Math.min(ms, timerMsMax))
  }

  #forgetTimers(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#soon)
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#soon = undefined
  }

  /**
   * How much longer to wait for texts to fill a call; `undefined` when there are none. Somebody who asks for one text after
   * the other, alone, does not wait.
   */
  #gatherMs(nowMs: number, isDue: boolean): number | undefined {
    const { length } = this.#line
    const { limits } = this.#options
    if (length === 0) return undefined
    const isAlone = !this.#isShared && this.#options.endpoints.every(({ calls }) => calls === 0)
    if (this.#isFull() || (isDue && isAlone)) return 0
    if (isAlone) return limits.gatherMs === 0 ? 0 : soonMs
    return isDue ? this.#window.leftMs(this.#line, nowMs) : Math.max(1, this.#window.endMs(this.#line) - nowMs)
  }

  /** The one that may be called soonest; of several the one with the fewest calls, and rather not the one where it failed. */
  #nextEndpoint(tokens: number, nowMs: number, avoid: Endpoint | undefined): { endpoint: Endpoint; waitMs: number } {
    const candidates = this.#options.endpoints.map((endpoint) => ({ endpoint, waitMs: endpoint.waitMs(tokens, nowMs) }))
    const [best] = candidates.sort((left, right) => {
      if (left.waitMs !== right.waitMs) return left.waitMs < right.waitMs ? -1 : 1
      if (left.endpoint === avoid || right.endpoint === avoid) return left.endpoint === avoid ? 1 : -1
      return left.endpoint.calls - right.endpoint.calls
    })
    if (best === undefined) throw new Error('a model without an endpoint is a bug')
    return best
  }

  /** While nothing can be sent: all when every endpoint is broken off, otherwise those whose deadline comes first. */
  #refuseWhatCannotWait(waitMs: number, nowMs: number): void {
    const { model, endpoints } = this.#options
    const brokenMs = Math.min(...endpoints.map(({ breaker }) => breaker.waitMs(nowMs)))
    const isBroken = brokenMs > 0 && brokenMs < Number.POSITIVE_INFINITY
    if (!isBroken && waitMs === Number.POSITIVE_INFINITY) return
    for (const { request } of [...this.#again.flatMap(({ texts }) => texts), ...this.#line]) {
      if (isBroken) request.fail(brokenOff(model, brokenMs))
      else if (nowMs + waitMs > request.deadlineMs) request.fail(tooBusy(model, waitMs))
    }
    this.#line.dropSettled()
    this.#again.splice(0, this.#again.length, ...this.#again.filter(({ texts }) => texts.some(({ request }) => !request.settled)))
  }

  async #call(endpoint: Endpoint, texts: readonly WaitingText[]): Promise<void> {
    if (texts.length === 0) return
    const { clock, dimensions } = this.#options
    const call: CallUnderWay = { texts, abort: new AbortController() }
    const startMs = clock.monotonicMs()
    this.#isShared = texts.some(({ request }) => request !== texts[0]?.request)
    endpoint.started(sumOfTokens(texts), startMs)
    for (const { request } of texts) request.started(call, startMs)
    if (texts.every(({ attempts }) => attempts === 0)) this.#budget.earn()
    try {
      const reply = await endpoint.provider.embed(
        texts.map(({ text }) => text),
        call.abort.signal,
      )
      const vectors = wholeVectors(reply.vectors, texts.length, dimensions)
      this.#recovered(endpoint)
      this.#counts.answered(texts.length, sumOfTokens(texts), reply.tokens)
      const nowMs = clock.monotonicMs()
      for (const [place, { request, index }] of texts.entries()) request.deliver(index, vectors[place] ?? impossible(), nowMs)
    } catch (thrown) {
      this.#failed(endpoint, call, thrown)
    } finally {
      endpoint.ended()
      for (const { request } of texts) request.ended(call)
      this.#pump()
    }
  }

  #recovered({ name, breaker, pace }: Endpoint): void {
    if (!breaker.closed) this.#options.log.info({ endpoint: name }, 'an upstream answers again')
    breaker.succeeded()
    pace.answered()
  }

  #failed(endpoint: Endpoint, { texts, abort }: CallUnderWay, thrown: unknown): void {
    const { clock, model } = this.#options
    const nowMs = clock.monotonicMs()
    if (abort.signal.aborted || !(thrown instanceof UpstreamError)) {
      this.#counts.outcomes.given_up++
      endpoint.breaker.abandoned()
      for (const { request } of texts) request.fail(thrown)
      return
    }
    const { failure, retryAfterMs } = thrown
    this.#counts.outcomes[failure]++
    switch (failure) {
      case 'rate_limited':
        endpoint.breaker.succeeded()
        endpoint.pace.refused(retryAfterMs, nowMs)
        this.#again.push({ texts, avoid: endpoint })
        return
      case 'invalid_text':
        endpoint.breaker.succeeded()
        if (texts.length > 1) this.#again.push(...halves(texts))
        else texts[0]?.request.fail(publicFailure(model, thrown, texts[0].input))
        return
      case 'not_recorded': {
        endpoint.breaker.succeeded()
        const missing = texts[thrown.position ?? 0]
        missing?.request.fail(publicFailure(model, thrown, missing.input))
        const others = texts.filter(({ request }) => !request.settled)
        if (others.length > 0) this.#again.push({ texts: others, avoid: undefined })
        return
      }
      case 'wrong_answer':
        if (texts.length > 1 && this.#budget.take()) {
          endpoint.breaker.abandoned()
          this.#again.push(...halves(texts))
          return
        }
    }
    this.#note(endpoint, thrown, endpoint.breaker.failed(nowMs, failure === 'refused'))
    this.#retry(endpoint, texts, thrown)
  }

  #note({ name }: Endpoint, { failure, status, message }: UpstreamError, opened: boolean): void {
    if (!opened) return
    const facts = { endpoint: name, failure, status: status ?? null }
    if (failure === 'refused') this.#options.log.error(facts, `an upstream refuses this server: ${message}`)
    else this.#options.log.warn(facts, `an upstream keeps failing and is left alone for a while: ${message}`)
  }

  #retry(endpoint: Endpoint, texts: readonly WaitingText[], cause: UpstreamError): void {
    const { endpoints, limits, model } = this.#options
    const isLasting = cause.failure === 'refused' && endpoints.length === 1
    for (const text of texts) text.attempts++
    const rest = texts.filter(({ request, attempts }) => !request.settled && attempts < limits.attemptsMax)
    const repeats = !isLasting && rest.length > 0 && this.#budget.take()
    for (const text of texts)
      if (!repeats || text.attempts >= limits.attemptsMax) text.request.fail(publicFailure(model, cause, text.input))
    if (!repeats) return
    const pause = setTimeout(() => {
      this.#pauses.delete(pause)
      this.#again.push({ texts: rest, avoid: endpoint })
      this.#pump()
    }, Math.random() * limits.retryPauseMsMax)
    this.#pauses.add(pause)
  }
}

/** After this turn of the event loop. */
const soonMs = Number.MIN_VALUE
/** Longest time a timer is set for; then it is looked again. */
const timerMsMax = 60_000
/** Texts are fitted to the model before; this only bounds the estimate. */
const tokensCountedMax = 100_000

function tokensOf({ text, title }: WholeText): number {
  const inTitle = title === undefined ? 0 : estimateTokens(title, tokensCountedMax).tokens
  return Math.max(1, estimateTokens(text, tokensCountedMax).tokens + inTitle)
}

function sumOfTokens(texts: readonly WaitingText[]): number {
  return texts.reduce((sum, { tokens }) => sum + tokens, 0)
}

function halves(texts: readonly WaitingText[]): Batch[] {
  const middle = Math.ceil(texts.length / 2)
  return [texts.slice(0, middle), texts.slice(middle)].map((half) => ({ texts: half, avoid: undefined }))
}

function impossible(): never {
  throw new Error('a checked reply has a vector for every text; this is a bug')
}
