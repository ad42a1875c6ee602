import type { Pooling } from '../src/models/model.ts'
import type { SmallModel } from './small-model.ts'

type Matrix = readonly (readonly number[])[]

/**
 * What a BERT or XLM-R encoder with its pooling computes, word for word from the papers, in double precision, a token and a
 * head at a time. It shares nothing with the compiler, and is slow.
 * Sources: arXiv 1810.04805 (BERT), 1706.03762 (attention), 1911.02116 (XLM-R), 1606.08415 (GELU); position ids as fairseq counts them.
 */
export function plainForward({ config, tensors }: Pick<SmallModel, 'config' | 'tensors'>, ids: Int32Array, pooling: Pooling): number[] {
  const numbers = (name: string): number[] => {
    const found = tensors.get(name)
    if (found === undefined) throw new Error(`no tensor ${name}`)
    return Array.from(found.values)
  }
  const row = (name: string, index: number) => numbers(name).slice(index * config.hidden_size, (index + 1) * config.hidden_size)
  const dense = (input: Matrix, name: string) => input.map((one) => affine(one, numbers(`${name}.weight`), numbers(`${name}.bias`)))
  const norm = (input: Matrix, name: string) =>
    input.map((one) => standardize(one, numbers(`${name}.weight`), numbers(`${name}.bias`), config.layer_norm_eps))

  const firstPosition = config.model_type === 'bert' ? 0 : config.pad_token_id + 1
  let state: Matrix = [...ids].map((id, position) =>
    add(
      row('embeddings.word_embeddings.weight', id),
      row('embeddings.position_embeddings.weight', firstPosition + position),
      row('embeddings.token_type_embeddings.weight', 0),
    ),
  )
  state = norm(state, 'embeddings.LayerNorm')
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `encoder.layer.${layer}`
    const [query, key, value] = ['query', 'key', 'value'].map((part) => dense(state, `${at}.attention.self.${part}`))
    if (!query || !key || !value) throw new Error('three projections were asked for')
    const context = attention(query, key, value, config.num_attention_heads)
    const attended = dense(context, `${at}.attention.output.dense`)
    state = norm(
      state.map((one, token) => add(one, attended[token] ?? [])),
      `${at}.attention.output.LayerNorm`,
    )
    const up = dense(state, `${at}.intermediate.dense`).map((one) => one.map(gelu))
    const down = dense(up, `${at}.output.dense`)
    state = norm(
      state.map((one, token) => add(one, down[token] ?? [])),
      `${at}.output.LayerNorm`,
    )
  }
  const pooled = pool(state, pooling)
  const projected = tensors.has('dense.weight') ? affine(pooled, numbers('dense.weight'), numbers('dense.bias')).map(Math.tanh) : pooled
  const length = Math.hypot(...projected)
  return projected.map((number) => number / length)
}

function pool(state: Matrix, pooling: Pooling): readonly number[] {
  if (pooling === 'cls') return state[0] ?? []
  if (pooling === 'last') return state.at(-1) ?? []
  return add(...state).map((sum) => sum / state.length)
}

function attention(query: Matrix, key: Matrix, value: Matrix, heads: number): Matrix {
  const size = (query[0]?.length ?? 0) / heads
  return query.map((asking) =>
    Array.from({ length: heads }, (_, head) => {
      const part = (one: readonly number[]) => one.slice(head * size, (head + 1) * size)
      const scores = key.map((one) => product(part(asking), part(one)) / Math.sqrt(size))
      const highest = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - highest))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      return add(...value.map((one, token) => part(one).map((number) => (number * (weights[token] ?? 0)) / total)))
    }).flat(),
  )
}

function affine(input: readonly number[], weight: readonly number[], bias: readonly number[]): number[] {
  return bias.map((shift, output) => shift + product(weight.slice(output * input.length, (output + 1) * input.length), input))
}

function standardize(input: readonly number[], weight: readonly number[], bias: readonly number[], epsilon: number): number[] {
  const mean = input.reduce((sum, number) => sum + number, 0) / input.length
  const variance = input.reduce((sum, number) => sum + (number - mean) ** 2, 0) / input.length
  return input.map((number, channel) => ((number - mean) / Math.sqrt(variance + epsilon)) * (weight[channel] ?? 0) + (bias[channel] ?? 0))
}

function gelu(x: number): number {
  return 0.5 * x * (1 + errorFunction(x / Math.SQRT2))
}

/** By its series of positive terms, exact to the last bits. Source: Abramowitz and Stegun 7.1.6. */
function errorFunction(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x)
  let term = x
  let sum = 0
  for (let n = 0; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 500; n++) {
    sum += term
    term *= (2 * x * x) / (2 * n + 3)
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

function product(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, number, index) => sum + number * (b[index] ?? 0), 0)
}

function add(...vectors: readonly (readonly number[])[]): number[] {
  return (vectors[0] ?? []).map((_, index) => vectors.reduce((sum, vector) => sum + (vector[index] ?? 0), 0))
}
