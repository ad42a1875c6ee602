import type { TaskType } from '../embedding/request.ts'

/** How the hidden states of a text become its vector: their mean, the first token's, or the last token's. */
export type Pooling = 'mean' | 'cls' | 'last'

/** Where the files of a model come from. */
export type ModelSource =
  | { readonly kind: 'npm'; readonly package: string; readonly folder: string }
  | { readonly kind: 'hub'; readonly repository: string; readonly revision: string }
  | { readonly kind: 'folder' }
  /** Other machines compute it; `model` is its name there. */
  | { readonly kind: 'upstream'; readonly service: UpstreamService; readonly model: string }

/** Whose API a model on other machines is asked by: Google's for developers, Google Cloud's, or OpenAI's, which many speak. */
export type UpstreamService = 'gemini' | 'vertex' | 'openai'

/** What runs a model: our compiler, for the families it knows, the ONNX file that its repository holds, or other machines. */
export type ModelFamily = 'bert' | 'xlm-roberta' | 'onnx' | 'upstream'

/** A published figure of quality, with the page that says it. */
export interface PublishedScore {
  readonly benchmark: string
  readonly score: number
  readonly source: string
}

/** The card of a model: what must be known to serve it correctly. Weights at a revision plus this is a model. */
export interface ModelCard {
  /** The model's own name, such as `all-minilm-l6-v2`. */
  readonly name: string
  readonly description: string
  readonly licence: string
  readonly source: ModelSource
  readonly family: ModelFamily
  readonly pooling: Pooling
  /** Length of the model's own vectors. */
  readonly dimensions: number
  /** Longest sequence the model reads at once, special tokens included. */
  readonly windowTokens: number
  /** What is put before a text, by its purpose; a purpose that is not named here has no effect on the vector. */
  readonly prompts: Readonly<Partial<Record<TaskType, string>>>
  /**
   * Of a model on other machines that takes the purpose and the title of a text beside it: it acts on every purpose, and on
   * a title of a document. Left out where both can only be written before the text, as `prompts` do.
   */
  readonly fields?: { readonly taskTypes: true; readonly titles: true }
  /** Set where its vectors are of unit length after a cut, too, whatever the dialect does with those of others. */
  readonly unitLengthCuts?: true
  /** Lengths the model was trained to be cut to; empty where it was not. */
  readonly matryoshka: readonly number[]
  readonly score: PublishedScore | undefined
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
  /** Set where vectors are mapped towards another model's space: near to it, and another space. */
  readonly alignment?: Alignment
}

export interface Alignment {
  /** The other model. */
  readonly like: string
  /** Length of the mapped vectors. */
  readonly dimensions: number
  /** Of a text's ten nearest the share that is the same for the other model, on texts the map was not fitted on; 0 to 1. */
  readonly overlapAt10: number
}
