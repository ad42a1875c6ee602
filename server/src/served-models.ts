import { NearfieldError } from './errors.ts'
import type { Engine } from './inference/engine.ts'
import type { EngineLease, HostedEngine } from './inference/hosted-model.ts'
import type { HostedStatus, ModelHost, ModelOffer } from './inference/model-host.ts'
import type { Deployment } from './models/model.ts'
import type { LoadedModel, ModelFacts, ModelLease, ModelListing, Models, ServedModel } from './serve.ts'
import type { Clock } from './time.ts'

/** An engine that passed its gate. */
export interface GatedEngine extends HostedEngine {
  readonly engine: Engine
  /** Which of several files of the model's name it was loaded from. */
  readonly version: string
  /** `unverified` where there is nothing to compare the graph with. */
  readonly parity: 'verified' | 'unverified'
}

/** What there is to serve. */
export interface ModelSupply {
  readonly deployments: readonly Deployment[]
  /** One for each model of the deployments. */
  readonly offers: readonly ModelOffer[]
}

export interface HostedModelsOptions {
  readonly host: ModelHost<GatedEngine>
  /** Looks at what is installed. */
  readonly look: () => Promise<ModelSupply>
  /** What an engine is under the name of a deployment. */
  readonly loaded: (deployment: Deployment, engine: Engine) => LoadedModel
  /** A name that is not known makes it look again, at most this often. */
  readonly lookAgainMs: number
  /** Told when looking again failed: what was known is then served on. */
  readonly onTrouble: (error: unknown) => void
  readonly clock: Clock
}

/** The names callers can ask for, over the host of their models. */
export class HostedModels implements Models {
  readonly host: ModelHost<GatedEngine>
  readonly #options: HostedModelsOptions
  #served = new Map<string, ServedModel>()
  /** By deployment: what was seen when its model was loaded last. */
  readonly #facts = new Map<string, ModelFacts>()
  readonly #loaded = new WeakMap<GatedEngine, Map<string, LoadedModel>>()
  #looking: Promise<void> | undefined
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(options: HostedModelsOptions) {
    this.#options = options
    this.host = options.host
  }

  /** Looks at what is installed: new models can be asked for, those that are gone cannot. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#lookedMs = this.#options.clock.monotonicMs()
      this.#looking = undefined
    })
    return this.#looking
  }

  find(name: string): ServedModel | Promise<ServedModel> {
    return this.#served.get(name) ?? this.#lookFor(name)
  }

  async lookAgain(): Promise<void> {
    const { clock, lookAgainMs, onTrouble } = this.#options
    if (this.#looking !== undefined || clock.monotonicMs() - this.#lookedMs >= lookAgainMs) await this.look().catch(onTrouble)
  }

  list(): readonly ModelListing[] {
    const statuses = new Map(this.host.status().map((status) => [status.name, status]))
    return [...this.#served.values()].flatMap(({ deployment }) => {
      const status = statuses.get(deployment.model.name)
      return status === undefined ? [] : [{ deployment, state: status.state, ...this.#factsOf(deployment, status) }]
    })
  }

  async #look(): Promise<void> {
    const { deployments, offers } = await this.#options.look()
    const versions = new Map(offers.map(({ name, version }) => [name, version]))
    for (const offer of offers) this.host.offer(offer)
    for (const { name } of this.host.status()) if (!versions.has(name)) void this.host.withdraw(name)
    this.#served = new Map(deployments.map((deployment) => [deployment.name, this.#serve(deployment, versions.get(deployment.model.name))]))
  }

  async #lookFor(name: string): Promise<ServedModel> {
    await this.lookAgain()
    const found = this.#served.get(name)
    if (found !== undefined) return found
    throw new NearfieldError('model_not_found', `There is no model "${name}" here. There are: ${[...this.#served.keys()].join(', ')}.`)
  }

  #serve(deployment: Deployment, version: string | undefined): ServedModel {
    const lend = ({ engine, [Symbol.dispose]: release }: EngineLease<GatedEngine>): ModelLease => {
      if (engine.version === version) return { ...this.#loadedAs(deployment, engine), [Symbol.dispose]: release }
      release()
      throw new NearfieldError(
        'unavailable',
        `The model ${deployment.name} was replaced by another revision just now. Send the request again.`,
      )
    }
    return {
      deployment,
      lease: (wish) => {
        const lease = this.host.lease(deployment.model.name, wish)
        return lease instanceof Promise ? lease.then(lend) : lend(lease)
      },
    }
  }

  #loadedAs(deployment: Deployment, gated: GatedEngine): LoadedModel {
    const byName = this.#loaded.get(gated) ?? new Map<string, LoadedModel>()
    this.#loaded.set(gated, byName)
    const known = byName.get(deployment.name)
    if (known !== undefined) return known
    const loaded = this.#options.loaded(deployment, gated.engine)
    byName.set(deployment.name, loaded)
    return loaded
  }

  #factsOf(deployment: Deployment, { engine: gated, failure }: HostedStatus<GatedEngine>): ModelFacts {
    if (gated !== undefined) {
      const { precision } = gated.engine.compiled
      const space = this.#loadedAs(deployment, gated).space(deployment.dimensionsDefault)
      this.#facts.set(deployment.name, { precision, space, parity: gated.parity })
    }
    const facts = this.#facts.get(deployment.name) ?? { precision: undefined, space: undefined, parity: undefined }
    // The engine says so when no graph equals its reference; whatever else went wrong is no matter of parity.
    const missesReference = failure?.error instanceof NearfieldError && failure.error.code === 'unavailable'
    return missesReference ? { ...facts, parity: 'failed' } : facts
  }
}
