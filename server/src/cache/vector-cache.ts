import { setImmediate } from 'node:timers/promises'
import type { Config } from '../config.ts'
import type { Sequence } from '../embedding/embedder.ts'
import { cacheKey, type KeyScope, keyPrefix } from './cache-key.ts'
import { VectorMemory } from './vector-memory.ts'

/**
 * What a request wants of the cache: `use` it, `refresh` it (compute anew and keep the result), or keep it `off` this
 * request altogether. Source: RFC 9111, 5.2.1, the request directives no-cache and no-store.
 */
export type CacheUse = 'use' | 'refresh' | 'off'

/** A vector, or that it must be computed. */
export type Known = Float32Array | undefined

/**
 * Vectors already computed, as the model made them: before windows are pooled and dimensions cut. So one entry serves
 * every size, encoding and output type, and an answer from the cache goes the way of any other.
 */
export interface VectorCache extends AsyncDisposable {
  /** What is known of these sequences. Never fails: what cannot be looked up is not known. */
  lookup(scope: KeyScope, sequences: readonly Sequence[], use: CacheUse): Promise<Lookup>
  stats(): CacheStats
}

export interface Lookup {
  /** `[sequences]` */
  readonly vectors: readonly Known[]
  /**
   * Remembers the vectors of what was not known, `[sequences]`. For a request that is paid: kept earlier, they could be
   * had at the price of cached ones by giving up before the answer and asking again.
   */
  keep(vectors: readonly Float32Array[]): void
}

export interface CacheStats {
  /** Sequences found, and sequences looked for in vain, since the start. */
  readonly hits: number
  readonly misses: number
  /** In the memory of this process. */
  readonly entries: number
  readonly bytes: number
}

/** A store that many processes share. It never fails: what goes wrong is not known, or not stored. */
export interface SharedVectors extends AsyncDisposable {
  /** `[keys]`, vectors of that length. Resolves within a time of its own. */
  getMany(keys: readonly Buffer[], dimensions: number): Promise<readonly Known[]>
  putMany(entries: readonly CacheEntry[]): void
}

export interface CacheEntry {
  readonly key: Buffer
  readonly vector: Float32Array
}

/** How much is kept, and for whom. */
export type CacheSettings = Pick<Config['cache'], 'bytesMax' | 'sharedByAccounts'>

/** After so many sequences a long list lets other requests have the thread: about a millisecond. */
const sequencesPerTurn = 256

/** The room's door: the memory of this process and, where there is one, a store behind it. */
export function createVectorCache(settings: CacheSettings, shared?: SharedVectors): VectorCache {
  const memory = settings.bytesMax > 0 ? new VectorMemory(settings.bytesMax) : undefined
  const off = memory === undefined && shared === undefined
  let hits = 0
  let misses = 0

  /** Fills the gaps, and remembers here what was found there. */
  async function findShared(store: SharedVectors, keys: readonly Buffer[], vectors: Known[], dimensions: number): Promise<void> {
    const gaps = keys.flatMap((key, index) => (vectors[index] === undefined ? [{ key, index }] : []))
    if (gaps.length === 0) return
    const found = await store.getMany(
      gaps.map(({ key }) => key),
      dimensions,
    )
    for (const [gap, { key, index }] of gaps.entries()) {
      const vector = found[gap]
      if (vector === undefined) continue
      vectors[index] = vector
      memory?.put(key, vector)
    }
  }

  async function keepInTurns(entries: readonly CacheEntry[]): Promise<void> {
    for (let from = 0; from < entries.length; from += sequencesPerTurn) {
      if (from > 0) await setImmediate()
      const turn = entries.slice(from, from + sequencesPerTurn)
      for (const { key, vector } of turn) memory?.put(key, vector)
      shared?.putMany(turn)
    }
  }

  return {
    async lookup(scope, sequences, use) {
      if (off || use === 'off') return { vectors: new Array<Known>(sequences.length).fill(undefined), keep: () => {} }
      const prefix = keyPrefix(scope, settings.sharedByAccounts)
      const keys: Buffer[] = []
      const vectors: Known[] = []
      for (const sequence of sequences) {
        if (keys.length > 0 && keys.length % sequencesPerTurn === 0) await setImmediate()
        const key = cacheKey(prefix, sequence)
        keys.push(key)
        vectors.push(use === 'use' ? memory?.get(key) : undefined)
      }
      if (use === 'use') {
        if (shared !== undefined) await findShared(shared, keys, vectors, scope.dimensions)
        for (const vector of vectors) vector === undefined ? misses++ : hits++
      }
      return {
        vectors,
        keep(computed) {
          const fresh = keys.flatMap((key, index) => {
            const vector = computed[index]
            return vectors[index] === undefined && vector !== undefined ? [{ key, vector }] : []
          })
          // The answer does not wait for it.
          void keepInTurns(fresh)
        },
      }
    },
    stats: () => ({ hits, misses, entries: memory?.entries ?? 0, bytes: memory?.usedBytes ?? 0 }),
    async [Symbol.asyncDispose]() {
      await shared?.[Symbol.asyncDispose]()
    },
  }
}
