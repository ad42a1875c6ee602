import type { Config } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import { type Footprint, fits, largestFit, leavers, nothing, sumOf } from './footprint.ts'
import { type EngineLease, type HostedEngine, HostedModel, type LeaseWish, type ModelState } from './hosted-model.ts'
import type { EngineLog } from './pool.ts'
import type { HeldMemory } from './replica-memory.ts'

/** A model that may be hosted, and how large it is expected to be. */
export interface ModelOffer {
  readonly name: string
  /** Another version takes the place of the one that is loaded. */
  readonly version: string
  /** Memory of one replica, bytes. What is measured later takes its place. */
  readonly bytesPerReplica: number
  /** Replicas it should have; it gets fewer where memory does not hold so many. */
  readonly replicas: number
  /** Loaded by `loadPinned`, and never unloaded. */
  readonly pinned: boolean
}

export interface HostOptions<Engine> {
  readonly limits: Config['hosting']
  /** Loads a model with so many replicas. The signal aborts when the host closes. */
  readonly load: (name: string, replicas: number, signal: AbortSignal) => Promise<Engine>
  /** Memory an engine's processes occupy now; `undefined` where the system does not say. */
  readonly measure: (engine: Engine) => Promise<HeldMemory | undefined>
  readonly clock: Clock
  readonly log: EngineLog
}

/** A model of the host as it is at this moment. */
export interface HostedStatus<Engine> {
  readonly name: string
  readonly state: ModelState
  readonly pinned: boolean
  readonly engine: Engine | undefined
  readonly footprint: Footprint
  readonly leases: number
  readonly waiting: number
  /** How often it was loaded since the server started. */
  readonly loads: number
  /** Why it could not be loaded, and for how many milliseconds it will not be tried again. */
  readonly failure: { readonly error: Error; readonly retryAfterMs: number } | undefined
}

/**
 * Several models on one machine that does not hold all of them at once.
 *
 * States of a model: `cold`; `loading` from the moment there is room for it; then `warm`, or `failed`, when requests get
 * the reason at once until a pause is over and the next one tries again; a warm one becomes `unloading`, when it was idle
 * for long or its room is needed; then it is `cold` again.
 *
 * A request leases a warm model at once. For one that is not warm it waits, in a line of bounded length, for a bounded
 * time; all that wait for a model share one loading. An engine is ended only when its last lease is: a model that is
 * `unloading` gives no new leases, those who ask then wait for its return.
 *
 * Room is a sum: what the models that are loading, warm or unloading occupy never exceeds the budget of memory and
 * replicas. Models are given room in the order in which they were first asked for, so a large one is not overtaken for
 * ever by small ones. Room is made by unloading idle models, least recently used first, and only where that suffices. A
 * model stays at least as long as loading it took, `roomPatienceMs` at most, so that models which take turns do not spend
 * most of their time on loading. One that waited `roomPatienceMs` gets the room of any model that is not pinned: its
 * running requests end, its next ones wait. What loads is counted as estimated, what is warm as measured, again and again,
 * because a process grows; should that exceed the budget, idle models leave at once.
 */
export class ModelHost<Engine extends HostedEngine> {
  readonly #options: HostOptions<Engine>
  readonly #models = new Map<string, HostedModel<Engine>>()
  readonly #closing = new AbortController()
  /** Loading and unloading under way. */
  readonly #changes = new Set<Promise<void>>()
  readonly #sweeper: NodeJS.Timeout
  #loading = 0
  #patience: NodeJS.Timeout | undefined

  constructor(options: HostOptions<Engine>) {
    this.#options = options
    this.#sweeper = setInterval(() => void this.sweep(), options.limits.sweepMs).unref()
  }

  /** Makes a model known. One that is known already keeps its pin, and what was measured of it. */
  offer(offer: ModelOffer): void {
    const { name, version, bytesPerReplica, replicas, pinned } = offer
    const { clock } = this.#options
    const known = this.#models.get(name)
    const model = known ?? new HostedModel<Engine>(name, offer, { clock, released: () => this.#becameIdle() })
    if (known === undefined) this.#models.set(name, model)
    if (known === undefined || known.withdrawn) model.pinned = pinned
    if (model.loads === 0) model.bytesPerReplica = bytesPerReplica
    model.replicasWanted = replicas
    model.withdrawn = false
    if (model.version === version) return
    model.version = version
    if (model.state === 'warm') void this.#unload(model)
  }

  /** Unloads a model that is no longer served, and forgets it. */
  async withdraw(name: string): Promise<void> {
    const model = this.#models.get(name)
    if (model === undefined) return
    model.withdrawn = true
    model.refuseWaiting(new NearfieldError('model_not_found', `The model ${name} was removed from this server.`))
    if (model.state === 'warm') await this.#unload(model)
    if (model.state === 'cold' || model.state === 'failed') this.#models.delete(name)
  }

  /** Loads the pinned models. @throws whatever the loading of one throws */
  async loadPinned(): Promise<void> {
    const pinned = [...this.#models.values()].filter((model) => model.pinned)
    await Promise.all(
      pinned.map(({ name }) =>
        this.load(name).catch((error: unknown) => {
          throw error instanceof NearfieldError && error.cause instanceof Error ? error.cause : error
        }),
      ),
    )
  }

  /** Loads a model without using it, however long it takes. @throws NearfieldError as `lease` does */
  async load(name: string): Promise<void> {
    const forever = { signal: this.#closing.signal, deadlineMs: Number.POSITIVE_INFINITY }
    const lease = await this.#leaseWithin(name, forever, waitWithoutLimitMs)
    lease[Symbol.dispose]()
  }

  /** Unloads a model once its running requests have ended. @throws NearfieldError `invalid_request` when it is pinned */
  async unload(name: string): Promise<void> {
    const model = this.#find(name)
    if (model.pinned) throw new NearfieldError('invalid_request', `The model ${name} is pinned, so it stays loaded. Unpin it first.`)
    if (model.state === 'warm') await this.#unload(model)
  }

  pin(name: string, pinned: boolean): void {
    this.#find(name).pinned = pinned
  }

  /**
   * A lease on a model: at once when it is warm, otherwise when it has been loaded.
   * @throws NearfieldError `model_not_found`; `overloaded` when too many wait for it; `unavailable` when it cannot be loaded
   * now, does not fit, or takes longer than a request waits; `deadline_exceeded`
   */
  lease(name: string, wish: LeaseWish): EngineLease<Engine> | Promise<EngineLease<Engine>> {
    return this.#leaseWithin(name, wish, this.#options.limits.waitMs)
  }

  status(): readonly HostedStatus<Engine>[] {
    const nowMs = this.#options.clock.monotonicMs()
    return [...this.#models.values()].map(({ name, state, pinned, engine, held: footprint, leases, waiting, loads, failure }) => {
      const retryAfterMs = Math.max(0, (failure?.untilMs ?? nowMs) - nowMs)
      return {
        name,
        state,
        pinned,
        engine,
        footprint,
        leases,
        waiting,
        loads,
        failure: failure && { error: failure.error, retryAfterMs },
      }
    })
  }

  /** What all models together occupy. */
  get held(): Footprint {
    return sumOf([...this.#models.values()].map(({ held }) => held))
  }

  /** Measures what is warm, and unloads what was idle for too long or is too much. The host does it by itself every `sweepMs`. */
  async sweep(): Promise<void> {
    const { clock, limits } = this.#options
    await Promise.all([...this.#models.values()].map((model) => this.#measure(model)))
    const nowMs = clock.monotonicMs()
    for (const model of this.#models.values()) {
      if (isEvictable(model) && limits.idleMs > 0 && nowMs - model.usedMs >= limits.idleMs) void this.#unload(model)
    }
    this.#makeRoom()
  }

  /** Gives no more leases, waits for those that are out, then ends all engines. */
  async drain(): Promise<void> {
    const closed = new NearfieldError('unavailable', 'The server is shutting down. Send the request again.')
    this.#closing.abort(closed)
    clearInterval(this.#sweeper)
    clearTimeout(this.#patience)
    for (const model of this.#models.values()) {
      model.refuseWaiting(closed)
      if (model.state === 'warm') void this.#unload(model)
    }
    // A loading that ends now begins an unloading.
    while (this.#changes.size > 0) await Promise.all(this.#changes)
  }

  #find(name: string): HostedModel<Engine> {
    const model = this.#models.get(name)
    if (model === undefined || model.withdrawn)
      throw new NearfieldError('model_not_found', `There is no model named "${name}" on this server.`)
    return model
  }

  #leaseWithin(name: string, wish: LeaseWish, waitMs: number): EngineLease<Engine> | Promise<EngineLease<Engine>> {
    const model = this.#find(name)
    if (model.state === 'warm') return model.grant()
    this.#closing.signal.throwIfAborted()
    this.#admit(model)
    const lease = model.wait(wish, waitMs)
    this.#makeRoom()
    return lease
  }

  #admit(model: HostedModel<Engine>): void {
    const { clock, limits } = this.#options
    const { failure, name } = model
    const pauseMs = Math.ceil((failure?.untilMs ?? 0) - clock.monotonicMs())
    if (failure !== undefined && pauseMs > 0) throw notLoaded(name, pauseMs)
    const { replicas } = this.#footprintOf(model)
    if (replicas === 0) throw this.#doesNotFit(model)
    if (model.waiting < limits.waitingMax) return
    throw new NearfieldError('overloaded', `Too many requests wait for the model ${name} to be loaded. Try again shortly.`, {
      details: { retryAfterMs: Math.round(model.loadMs) },
    })
  }

  /** What a model will occupy: as many of the wanted replicas as there is room for beside the pinned models. */
  #footprintOf(model: HostedModel<Engine>): Footprint {
    const pinned = [...this.#models.values()].filter((other) => other !== model && other.pinned)
    return largestFit(model, sumOf(pinned.map(({ held }) => held)), this.#options.limits)
  }

  #doesNotFit({ name, bytesPerReplica }: HostedModel<Engine>): NearfieldError {
    const { memoryBytesMax, replicasTotalMax } = this.#options.limits
    return new NearfieldError(
      'unavailable',
      `The model ${name} does not fit: a replica needs about ${megabytes(bytesPerReplica)}, and beside the pinned models there is no room ` +
        `within ${megabytes(memoryBytesMax)} and ${replicasTotalMax} replicas. The server's owner can allow more.`,
    )
  }

  #becameIdle(): void {
    if (this.#patience !== undefined || this.#exceeded) this.#makeRoom()
  }

  get #exceeded(): boolean {
    return !fits(this.held, this.#options.limits)
  }

  /**
   * Loads the models that are waited for, in the order in which they were asked for, as far as there is room, and begins
   * to make room where there is none. Called whenever something changed.
   */
  #makeRoom(): void {
    clearTimeout(this.#patience)
    this.#patience = undefined
    if (this.#closing.signal.aborted) return
    if (this.#exceeded) {
      const idle = [...this.#models.values()].filter(isEvictable)
      for (const model of this.#leavers(nothing, isEvictable) ?? idle) void this.#unload(model)
    }
    for (const model of this.#wanted()) {
      if (this.#loading >= this.#options.limits.loadsAtOnceMax) return
      const footprint = this.#footprintOf(model)
      if (footprint.replicas === 0) {
        model.refuseWaiting(this.#doesNotFit(model))
      } else if (fits(sumOf([this.held, footprint]), this.#options.limits)) {
        this.#track(this.#load(model, footprint))
      } else {
        this.#freeFor(model, footprint)
        return
      }
    }
  }

  /** Models that are waited for and can be loaded, the first one asked for first. */
  #wanted(): HostedModel<Engine>[] {
    return [...this.#models.values()]
      .filter(({ state, waiting }) => waiting > 0 && (state === 'cold' || state === 'failed'))
      .sort((a, b) => a.wantedMs - b.wantedMs)
  }

  /** Unloads what may go for a model that does not fit, or looks again when more may. */
  #freeFor(model: HostedModel<Engine>, footprint: Footprint): void {
    const { clock, limits } = this.#options
    const nowMs = clock.monotonicMs()
    const stayMs = ({ warmMs, loadMs }: HostedModel<Engine>) => Math.max(0, warmMs + Math.min(loadMs, limits.roomPatienceMs) - nowMs)
    const patienceMs = model.wantedMs + limits.roomPatienceMs - nowMs
    const mayGo = patienceMs > 0 ? isEvictable : isUnpinned
    const leaving = this.#leavers(footprint, (other) => mayGo(other) && stayMs(other) === 0)
    if (leaving !== undefined) {
      for (const other of leaving) void this.#unload(other)
      return
    }
    const stays = [...this.#models.values()].filter(mayGo).map(stayMs)
    const untilMs = Math.min(patienceMs > 0 ? patienceMs : limits.roomPatienceMs, ...stays.filter((ms) => ms > 0))
    // Also tells those whose last lease ends that somebody waits for their room.
    this.#patience = setTimeout(() => this.#makeRoom(), Math.ceil(untilMs)).unref()
  }

  /** Those that must leave for `footprint`, least recently used first; `undefined` when all that may would not be enough. */
  #leavers(footprint: Footprint, mayGo: (model: HostedModel<Engine>) => boolean): readonly HostedModel<Engine>[] | undefined {
    const models = [...this.#models.values()]
    const candidates = models.filter(mayGo).sort((a, b) => a.usedMs - b.usedMs)
    const staying = models.filter((model) => model.state !== 'unloading' && !candidates.includes(model))
    return leavers(candidates, sumOf([footprint, ...staying.map(({ held }) => held)]), this.#options.limits)
  }

  async #load(model: HostedModel<Engine>, footprint: Footprint): Promise<void> {
    const { clock, load, log } = this.#options
    const startedMs = clock.monotonicMs()
    const { version } = model
    model.beginLoading(footprint)
    this.#loading++
    try {
      model.becomeWarm(await load(model.name, footprint.replicas, this.#closing.signal), clock.monotonicMs() - startedMs)
    } catch (error) {
      this.#fail(model, error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.#loading--
    }
    const unwanted = this.#closing.signal.aborted || model.withdrawn || model.version !== version
    if (unwanted && model.state === 'warm') return await this.#unload(model)
    await this.#measure(model)
    if (model.state === 'warm') log.info({ model: model.name, ...model.held, ms: Math.round(model.loadMs) }, 'a model is loaded')
    this.#makeRoom()
  }

  #fail(model: HostedModel<Engine>, error: Error): void {
    const { clock, limits, log } = this.#options
    const retryAfterMs = limits.failurePauseMs
    log.error({ model: model.name, err: error, retryAfterMs }, 'a model could not be loaded')
    model.state = 'failed'
    model.held = nothing
    model.failure = { error, untilMs: clock.monotonicMs() + retryAfterMs }
    model.refuseWaiting(notLoaded(model.name, retryAfterMs, error))
  }

  #unload(model: HostedModel<Engine>): Promise<void> {
    const unloading = this.#end(model)
    this.#track(unloading)
    return unloading
  }

  async #end(model: HostedModel<Engine>): Promise<void> {
    const { log } = this.#options
    model.state = 'unloading'
    await model.whenIdle()
    const { engine } = model
    model.engine = undefined
    await engine?.drain().catch((error: unknown) => log.error({ model: model.name, err: error }, 'a model did not end as it should'))
    model.held = nothing
    model.state = 'cold'
    if (model.withdrawn) this.#models.delete(model.name)
    log.info({ model: model.name }, 'a model is unloaded')
    // A pinned one was only replaced by another version.
    if (model.pinned && !model.withdrawn && !this.#closing.signal.aborted) await this.load(model.name).catch(() => {})
    else this.#makeRoom()
  }

  async #measure(model: HostedModel<Engine>): Promise<void> {
    const { engine, held } = model
    if (engine === undefined || model.state !== 'warm') return
    const measured = await this.#options.measure(engine).catch(() => undefined)
    if (measured === undefined || model.engine !== engine || model.held !== held) return
    const { bytes, processes } = measured
    model.held = { ...held, bytes }
    model.bytesPerReplica = bytes / processes
  }

  #track(change: Promise<void>): void {
    this.#changes.add(change)
    void change.finally(() => this.#changes.delete(change))
  }
}

/** Longest time a timer can wait. */
const waitWithoutLimitMs = 2 ** 31 - 1

function isUnpinned<Engine extends HostedEngine>({ pinned, state }: HostedModel<Engine>): boolean {
  return state === 'warm' && !pinned
}

function isEvictable<Engine extends HostedEngine>(model: HostedModel<Engine>): boolean {
  return isUnpinned(model) && model.leases === 0
}

/** The reason is for the server's owner: it may name files. */
function notLoaded(name: string, retryAfterMs: number, cause?: unknown): NearfieldError {
  const message = `The model ${name} could not be loaded; the server's log says why. It is tried again in ${Math.ceil(retryAfterMs / 1_000)} s.`
  return new NearfieldError('unavailable', message, { details: { retryAfterMs }, cause })
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`
}
