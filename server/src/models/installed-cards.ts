import type { ModelCard } from './model.ts'
import { installedModels } from './model-store.ts'
import { resolveModel } from './resolve-model.ts'

/** A model of the store: its card and the size of its files. */
export interface InstalledCard {
  readonly card: ModelCard
  readonly revision: string
  readonly bytes: number
}

/** The cards of the models in a store. What was read once is not read again: a revision never changes. */
export class InstalledCards {
  readonly #dataDirectory: string
  readonly #onTrouble: (sentence: string) => void
  #read = new Map<string, InstalledCard | undefined>()

  /** `onTrouble` is told, once, of a model that is left out because its files cannot be understood. */
  constructor(dataDirectory: string, onTrouble: (sentence: string) => void) {
    this.#dataDirectory = dataDirectory
    this.#onTrouble = onTrouble
  }

  async list(): Promise<readonly InstalledCard[]> {
    const before = this.#read
    this.#read = new Map()
    for (const { name, revision, bytes } of await installedModels(this.#dataDirectory)) {
      const key = `${name}@${revision}`
      this.#read.set(key, before.has(key) ? before.get(key) : await this.#readCard(name, revision, bytes))
    }
    return [...this.#read.values()].filter((card) => card !== undefined)
  }

  async #readCard(name: string, revision: string, bytes: number): Promise<InstalledCard | undefined> {
    try {
      return { card: (await resolveModel(name, this.#dataDirectory)).card, revision, bytes }
    } catch (error) {
      this.#onTrouble(`The model ${name} is installed but not served. ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }
}
