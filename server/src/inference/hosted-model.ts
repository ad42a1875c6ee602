import { NearfieldError } from '../errors.ts'
import type { Clock } from '../time.ts'
import { type Footprint, nothing } from './footprint.ts'

/** What hosting needs of whatever computes vectors. */
export interface HostedEngine {
  /** Finishes what it has, then ends its processes. */
  drain(): Promise<void>
}

/** A loaded model, not unloaded before the lease is disposed. */
export interface EngineLease<Engine> extends Disposable {
  readonly engine: Engine
}

export interface LeaseWish {
  /** Aborts the waiting; its reason is what the caller gets. */
  readonly signal: AbortSignal
  /** On the clock's monotonic scale, milliseconds. */
  readonly deadlineMs: number
}

export type ModelState = 'cold' | 'loading' | 'warm' | 'unloading' | 'failed'

interface Waiter<Engine> {
  readonly resolve: (lease: EngineLease<Engine>) => void
  readonly reject: (reason: unknown) => void
}

/** Before a model was ever loaded, callers who cannot wait are told to come back after so long. */
const loadMsUnknown = 5_000

/**
 * One model of a host: its state, the requests that use it and those that wait for it. The host decides when it changes
 * state; see there for the states.
 */
export class HostedModel<Engine extends HostedEngine> {
  state: ModelState = 'cold'
  engine: Engine | undefined
  /** What it occupies, from the moment its loading was decided until its unloading has ended. */
  held: Footprint = nothing
  pinned = false
  /** Which of several files of this name it is. */
  version: string
  /** No longer served: forgotten once it is unloaded. */
  withdrawn = false
  /** What one replica occupies: estimated, and measured once it was loaded. */
  bytesPerReplica: number
  replicasWanted: number
  /** When a lease on it last ended, or when it became warm. */
  usedMs = 0
  /** When it became warm. */
  warmMs = 0
  /** When the first of those that wait began to; the order in which models are given room. */
  wantedMs = 0
  loads = 0
  loadMs = loadMsUnknown
  /** Why it could not be loaded, and when it may be tried again. */
  failure: { readonly error: Error; readonly untilMs: number } | undefined
  readonly name: string
  readonly #clock: Clock
  readonly #released: (model: HostedModel<Engine>) => void
  readonly #waiters = new Set<Waiter<Engine>>()
  #leases = 0
  #idle: (() => void) | undefined

  constructor(
    name: string,
    size: { readonly version: string; readonly bytesPerReplica: number; readonly replicas: number },
    surroundings: { readonly clock: Clock; readonly released: (model: HostedModel<Engine>) => void },
  ) {
    this.name = name
    this.version = size.version
    this.bytesPerReplica = size.bytesPerReplica
    this.replicasWanted = size.replicas
    this.#clock = surroundings.clock
    this.#released = surroundings.released
  }

  get leases(): number {
    return this.#leases
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** A lease on the warm model. */
  grant(): EngineLease<Engine> {
    const { engine } = this
    if (engine === undefined) throw new Error(`a lease was granted on ${this.name}, which is not loaded; this is a bug`)
    this.#leases++
    let held = true
    return {
      engine,
      [Symbol.dispose]: () => {
        if (!held) return
        held = false
        this.#leases--
        this.usedMs = this.#clock.monotonicMs()
        if (this.#leases > 0) return
        this.#idle?.()
        this.#released(this)
      },
    }
  }

  /** A lease once the model is warm. @throws NearfieldError `unavailable` after `waitMs`, `deadline_exceeded` at the deadline */
  wait({ signal, deadlineMs }: LeaseWish, waitMs: number): Promise<EngineLease<Engine>> {
    signal.throwIfAborted()
    const nowMs = this.#clock.monotonicMs()
    if (this.#waiters.size === 0) this.wantedMs = nowMs
    return new Promise((resolve, reject) => {
      const waiter: Waiter<Engine> = {
        resolve: (lease) => over(() => resolve(lease)),
        reject: (reason) => over(() => reject(reason)),
      }
      const over = (settle: () => void) => {
        this.#waiters.delete(waiter)
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        settle()
      }
      const abort = () => waiter.reject(signal.reason)
      const late = deadlineMs - nowMs <= waitMs
      const timer = setTimeout(
        () => waiter.reject(late ? new NearfieldError('deadline_exceeded') : this.#stillLoading()),
        Math.max(0, Math.min(waitMs, deadlineMs - nowMs)),
      )
      signal.addEventListener('abort', abort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  beginLoading(footprint: Footprint): void {
    this.state = 'loading'
    this.held = footprint
    this.failure = undefined
  }

  /** Takes the engine that was loaded in `loadMs`, and gives a lease to everybody who waits. */
  becomeWarm(engine: Engine, loadMs: number): void {
    this.engine = engine
    this.state = 'warm'
    this.loads++
    this.loadMs = loadMs
    this.warmMs = this.#clock.monotonicMs()
    this.usedMs = this.warmMs
    for (const waiter of [...this.#waiters]) waiter.resolve(this.grant())
  }

  refuseWaiting(reason: unknown): void {
    for (const waiter of [...this.#waiters]) waiter.reject(reason)
  }

  /** Fulfils when no lease is left. */
  async whenIdle(): Promise<void> {
    if (this.#leases > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    this.#idle = undefined
  }

  #stillLoading(): NearfieldError {
    const details = { retryAfterMs: Math.round(this.loadMs) }
    return new NearfieldError('unavailable', `The model ${this.name} is still being loaded. Nothing was billed. Try again shortly.`, {
      details,
    })
  }
}
