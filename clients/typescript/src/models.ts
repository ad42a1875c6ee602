import type { WireObject } from './wire-object.ts'

/** A name that texts can be embedded under. */
export interface Model {
  /** What a call names. */
  readonly id: string
  /** The model that makes the vectors. */
  readonly servedBy: string
  /** Whether another model serves under this name. */
  readonly standIn: boolean
  readonly description: string
  readonly licence: string
  /** `warm` answers at once; `cold` is loaded by its first request; or `loading`, `unloading`, `failed`. */
  readonly state: string
  /** Whether it equals its reference on the server's machine: verified, unverified or failed. `undefined` until loaded. */
  readonly parity: string | undefined
  /** Which numbers it computes with. `undefined` until loaded. */
  readonly precision: string | undefined
  /** The space of answers with the default number of dimensions. `undefined` until loaded. */
  readonly space: string | undefined
  readonly dimensions: { readonly min: number; readonly max: number; readonly default: number; readonly trained: readonly number[] }
  readonly inputTokensMax: number
  /** Tokens it reads at once. */
  readonly windowTokens: number
  /** `cut` reads the first window of a longer text, `pooled` all of them. */
  readonly longInputs: string
  /** Task types that change its vectors. */
  readonly taskTypes: readonly string[]
  readonly price: { readonly dollarsPerMillionTokens: number; readonly dollarsPerMillionCachedTokens: number }
}

export function readModel(wire: WireObject): Model {
  const dimensions = wire.object('dimensions')
  const price = wire.object('price')
  const string = (name: string) => wire.string(name)
  return {
    id: wire.string('id'),
    servedBy: wire.string('served_by'),
    standIn: wire.boolean('stand_in'),
    description: wire.string('description'),
    licence: wire.string('licence'),
    state: wire.string('state'),
    parity: wire.optional('parity', string),
    precision: wire.optional('precision', string),
    space: wire.optional('space', string),
    dimensions: {
      min: dimensions.number('min'),
      max: dimensions.number('max'),
      default: dimensions.number('default'),
      trained: dimensions.numbers('trained'),
    },
    inputTokensMax: wire.number('input_tokens_max'),
    windowTokens: wire.number('window_tokens'),
    longInputs: wire.string('long_inputs'),
    taskTypes: wire.strings('task_types'),
    price: {
      dollarsPerMillionTokens: price.number('dollars_per_million_tokens'),
      dollarsPerMillionCachedTokens: price.number('dollars_per_million_cached_tokens'),
    },
  }
}
