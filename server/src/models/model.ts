/** The card of a model: what must be known to serve it correctly. Weights at a revision plus this is a model. */
export interface ModelCard {
  /** The model's own name, such as `all-minilm-l6-v2`. */
  readonly name: string
  readonly description: string
  readonly licence: string
  /** Length of the model's own vectors. */
  readonly dimensions: number
  /** Longest sequence the model reads at once, special tokens included. */
  readonly windowTokens: number
}

/** A name callers can ask for: a model served under settings and limits. */
export interface Deployment {
  /** Such as `gemini-embedding-001` or `all-minilm-l6-v2`. */
  readonly name: string
  readonly model: ModelCard
  /** True where a model stands in for another one under that one's name; every answer says so. */
  readonly standIn: boolean
  readonly dimensionsMin: number
  readonly dimensionsMax: number
  readonly dimensionsDefault: number
  /** Longest input in tokens, special tokens not counted; what is longer is truncated or refused. */
  readonly inputTokensMax: number
  /** `pooled`: longer than a window is embedded in windows and pooled by token weight. `cut`: it is truncated to one window. */
  readonly longInputs: 'pooled' | 'cut'
}
