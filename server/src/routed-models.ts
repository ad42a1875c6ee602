import type { ModelListing, Models, ServedModel } from './serve.ts'
import type { UpstreamModel } from './upstream-models.ts'

/**
 * All names callers can ask for: those that other machines serve, then those of this machine. A name is served by one of
 * them; when that one fails the other never takes its place, for its vectors would be of another space.
 */
export class RoutedModels implements Models {
  readonly #upstream: ReadonlyMap<string, UpstreamModel>
  readonly #here: Models

  constructor(upstream: readonly UpstreamModel[], here: Models) {
    this.#upstream = new Map(upstream.map((model) => [model.deployment.name, model]))
    this.#here = here
  }

  find(name: string): ServedModel | Promise<ServedModel> {
    return this.#upstream.get(name) ?? this.#here.find(name)
  }

  lookAgain(): Promise<void> {
    return this.#here.lookAgain()
  }

  list(): readonly ModelListing[] {
    const upstream = Array.from(this.#upstream.values(), (model) => model.listing())
    return [...upstream, ...this.#here.list().filter(({ deployment }) => !this.#upstream.has(deployment.name))]
  }
}
