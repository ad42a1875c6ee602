import type { ModelFamily, Pooling } from './model.ts'

/**
 * What the files of a repository say about how its model turns token ids into a vector. Everything here is read, nothing
 * is guessed: a repository with a piece that is unknown to us is refused.
 */
export interface ModelDescription {
  readonly family: ModelFamily
  /** Length of the vector after the last module. */
  readonly dimensions: number
  /** Longest sequence the model reads at once, special tokens included. */
  readonly windowTokens: number
  readonly pooling: Pooling
  /** Dense modules behind the pooling, in order. */
  readonly dense: readonly DenseModule[]
  /** Whether the model itself scales its vectors to unit length. Ours are, always. */
  readonly normalizes: boolean
  /** Prompts by the repository's own names, such as `query`; `undefined` where it has none. */
  readonly prompts: ReadonlyMap<string, string>
  readonly defaultPrompt: string | undefined
  /** Names of files among the model's files. */
  readonly weights: string
  readonly tokenizer: string
  readonly architecture: string
}

/** A Dense module of sentence-transformers: `activation(x @ weight.T + bias)`. */
export interface DenseModule {
  readonly weights: string
  readonly inputs: number
  readonly outputs: number
  readonly bias: boolean
  readonly activation: 'identity' | 'tanh'
}
