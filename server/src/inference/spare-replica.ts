import type { Clock } from '../time.ts'
import type { EngineLog } from './pool.ts'
import type { Replica } from './replica.ts'

export interface SpareOptions {
  /** Starts one replica process. */
  readonly launch: () => Replica
  /** It is ended when nobody wanted it for so long. */
  readonly idleMs: number
  /** After it ended by itself, it is not started for so long. */
  readonly restartPauseMs: number
  /** Told to stop, it is killed after this long. */
  readonly stopTimeoutMs: number
  readonly clock: Clock
  readonly log: EngineLog
  /** Called when it became ready. */
  readonly changed: () => void
}

/**
 * One replica more than there are cores, for interactive work that meets bulk work. A batch that runs cannot be taken
 * back; with a process more the operating system does that: it gives the short run a core at once and the long ones wait.
 *
 * States: `absent` until somebody wants it; `starting` until its graph is loaded; `ready`; absent again when nobody wanted
 * it for `idleMs`, or when its process ended: then for `restartPauseMs` at least. `stopped` for good after `stop()`.
 */
export class SpareReplica {
  readonly #options: SpareOptions
  #replica: Replica | undefined
  #wantedMs = 0
  #notBeforeMs = 0
  #watch: NodeJS.Timeout | undefined
  /** It was told to end, so its end needs no pause. */
  #dismissed = false
  #stopped = false

  constructor(options: SpareOptions) {
    this.#options = options
  }

  /** Its process, when there is one. */
  get processIds(): readonly number[] {
    const id = this.#replica?.processId
    return id === undefined ? [] : [id]
  }

  get ready(): boolean {
    return this.#replica?.state === 'ready'
  }

  /** The replica, while it is ready and has nothing to run. */
  get free(): Replica | undefined {
    return this.#replica?.state === 'ready' && this.#replica.outstanding === 0 ? this.#replica : undefined
  }

  /** To be called whenever it would be of use. */
  want(): void {
    this.#wantedMs = this.#options.clock.monotonicMs()
    if (this.#replica !== undefined || this.#stopped || this.#wantedMs < this.#notBeforeMs) return
    const replica = this.#options.launch()
    this.#replica = replica
    replica.ready.then(this.#options.changed, () => {})
    void replica.gone.then((why) => this.#ended(why))
    this.#watchUse(this.#options.idleMs)
  }

  /** Finishes what it runs and ends it, for good. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#watch)
    await this.#replica?.stop(this.#options.stopTimeoutMs)
  }

  #watchUse(delayMs: number): void {
    this.#watch = setTimeout(() => {
      const leftMs = this.#wantedMs + this.#options.idleMs - this.#options.clock.monotonicMs()
      if (leftMs > 0) this.#watchUse(leftMs)
      else this.#dismiss()
    }, delayMs)
    this.#watch.unref()
  }

  #dismiss(): void {
    this.#dismissed = true
    void this.#replica?.stop(this.#options.stopTimeoutMs)
  }

  #ended(why: string): void {
    clearTimeout(this.#watch)
    this.#replica = undefined
    const wasDismissed = this.#dismissed
    this.#dismissed = false
    if (wasDismissed || this.#stopped) return
    this.#notBeforeMs = this.#options.clock.monotonicMs() + this.#options.restartPauseMs
    this.#options.log.warn({ why }, 'the spare replica ended')
  }
}
