import { createHash } from 'node:crypto'
import { fitLinearMap, type LinearMap, mapVector } from './linear-map.ts'
import { type RankAgreement, rankAgreement } from './rank-agreement.ts'

/** A map from one model's vectors towards another's, with what it is worth on texts it was not fitted on. */
export interface Aligned {
  readonly map: LinearMap
  readonly fitted: number
  readonly unseen: number
  readonly mapped: RankAgreement
  /** What the model's own vectors are worth without a map. */
  readonly local: RankAgreement
  /** Its vectors under a random matrix of the same shape: no better than they are. */
  readonly projected: RankAgreement
  /** Random vectors in the place of them all: chance. */
  readonly hashed: RankAgreement
}

/** Below this a mapped model misleads more often than it helps: half of what a search finds first would be others. */
export const overlapAt10Min = 0.5
/** Fewer texts fit no map worth measuring. */
export const pairsMin = 250
/** Every so many-th text is kept from the fit and judges it, up to so many: judging takes their square. */
const unseenEvery = 5
const unseenMax = 500

/**
 * Fits a map on four fifths of the texts or more, and measures it on the others. Same vectors, same result. Takes seconds
 * for thousands of texts, in which this thread does nothing else.
 * @param sources `[texts]` vectors of the model to map @param targets `[texts]` those of the other model
 */
export function align(sources: readonly Float32Array[], targets: readonly Float32Array[]): Aligned {
  const isUnseen = (_: unknown, text: number) => text % unseenEvery === 0 && text < unseenEvery * unseenMax
  const part = (vectors: readonly Float32Array[], unseen: boolean) => vectors.filter((_, text) => isUnseen(_, text) === unseen)
  const { map } = fitLinearMap(part(sources, false), part(targets, false))
  const [own, wanted] = [part(sources, true), part(targets, true)]
  const agreement = (image: (vector: Float32Array) => Float32Array | Float64Array) => rankAgreement(own.map(image), wanted)
  const next = randomNumbers('projected')
  const matrix = Float32Array.from({ length: map.matrix.length }, next)
  const random: LinearMap = { ...map, matrix, offset: new Float32Array(map.outputs) }
  return {
    ...{ map, fitted: sources.length - own.length, unseen: own.length },
    mapped: agreement((vector) => mapVector(map, vector)),
    local: agreement((vector) => vector),
    projected: agreement((vector) => mapVector(random, vector)),
    hashed: agreement(() => Float32Array.from({ length: map.outputs }, next)),
  }
}

/** Numbers from -1 to 1, the same for the same seed. */
function randomNumbers(seed: string): () => number {
  let turn = 0
  let bytes = Buffer.alloc(0)
  let at = 0
  return () => {
    if (at + 4 > bytes.length) {
      bytes = createHash('sha512').update(`${seed} ${turn++}`).digest()
      at = 0
    }
    at += 4
    return bytes.readInt32LE(at - 4) / 2 ** 31
  }
}
