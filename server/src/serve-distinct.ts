import type { InputReport, TaskType, Truncate } from './embedding/request.ts'
import { unpaddedDimensions } from './embedding/unpadded-dimensions.ts'
import { NearfieldError } from './errors.ts'
import { type Caller, type Served, type Services, serve } from './serve.ts'

/** A text of a call that compares texts, with what it is for and where it stands in the caller's own words. */
export interface PlacedText {
  readonly text: string
  readonly taskType: TaskType
  /** Such as `documents[3]`. */
  readonly place: string
}

export interface DistinctRequest {
  readonly deployment: string
  readonly texts: readonly PlacedText[]
  /** Length of the vectors; `undefined` means all that the model makes, without a stand-in's padding. */
  readonly dimensions: number | undefined
  readonly truncate: Truncate
}

export interface ServedDistinct {
  /** The one embedding request behind it: a text given several times was computed and billed once. */
  readonly served: Served
  /** `[texts]` unit vectors; equal texts for the same purpose share one. */
  readonly vectors: readonly Float32Array[]
  /** The places of the texts that were shortened. */
  readonly truncated: readonly string[]
}

/**
 * Embeds every distinct text once, as one ordinary request: credits, limits, cache, deadline and billing are `serve`'s.
 * @throws NearfieldError as `serve` does; one about a single input names its place
 */
export async function serveDistinct(request: DistinctRequest, caller: Caller, services: Services): Promise<ServedDistinct> {
  const { texts, truncate } = request
  const { deployment } = await services.models.find(request.deployment)
  const numbers = new Map<string, number>()
  const distinct: PlacedText[] = []
  const numberOf = texts.map((placed) => {
    const identity = `${placed.taskType} ${placed.text}`
    const known = numbers.get(identity)
    if (known !== undefined) return known
    numbers.set(identity, distinct.length)
    return distinct.push(placed) - 1
  })
  const served = await namingPlaces(distinct, () =>
    serve(
      {
        deployment: request.deployment,
        inputs: distinct.map(({ text }) => text),
        taskType: distinct.map(({ taskType }) => taskType),
        dimensions: request.dimensions ?? unpaddedDimensions(deployment),
        outputType: 'float',
        truncate,
      },
      caller,
      services,
    ),
  )
  const of = <Item>(items: readonly Item[], number: number): Item => {
    const item = items[number]
    if (item === undefined) throw new RangeError('a text has no vector')
    return item
  }
  return {
    served,
    vectors: numberOf.map((number) => of(served.vectors, number)),
    truncated: texts.filter((_, index) => of<InputReport>(served.reports, numberOf[index] ?? -1).truncated).map(({ place }) => place),
  }
}

/** `serve` knows the distinct texts by their numbers, the caller by where they stand. */
async function namingPlaces<Result>(texts: readonly PlacedText[], act: () => Promise<Result>): Promise<Result> {
  try {
    return await act()
  } catch (thrown) {
    if (!(thrown instanceof NearfieldError)) throw thrown
    const { field: _field, index, ...details } = thrown.details
    const place = typeof index === 'number' ? texts[index]?.place : undefined
    if (place === undefined) throw thrown
    throw new NearfieldError(thrown.code, thrown.message.replace(`Input ${index} `, `\`${place}\` `), { cause: thrown, details })
  }
}
