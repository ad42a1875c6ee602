import { usageOf } from './accounting.ts'
import type { Answer } from './attempt.ts'
import { type AboutTheAnswer, type PaidCallOptions, requestIdOf, type TaskType } from './embed.ts'

/** What is compared: every text with every text, texts in pairs, or one with several. */
export type Compared =
  | { readonly texts: readonly string[] }
  | { readonly pairs: readonly (readonly [string, string])[] }
  | { readonly source: string; readonly sentences: readonly string[] }

export interface SimilarityOptions extends PaidCallOptions {
  readonly model?: string | undefined
  /** `SEMANTIC_SIMILARITY` when left out. */
  readonly taskType?: TaskType | undefined
  /** Compares vectors cut to this length; whole ones when left out. */
  readonly dimensions?: number | undefined
  readonly truncate?: 'end' | 'error' | undefined
  /** As of an embedding call. */
  readonly space?: string | undefined
}

export interface Similarity<Scores> extends AboutTheAnswer {
  /** Cosines from -1 to 1: `[texts][texts]`, or `[pairs]`, or `[sentences]`. */
  readonly scores: Scores
  /** Where the texts stand that were shortened, such as `inputs[3]`. */
  readonly truncated: readonly string[]
}

export interface RerankOptions extends PaidCallOptions {
  readonly model?: string | undefined
  /** How many of the best documents to name; all when left out. */
  readonly topN?: number | undefined
  readonly truncate?: 'end' | 'error' | undefined
  readonly space?: string | undefined
}

export interface Ranking extends AboutTheAnswer {
  /** The nearest first; of equal documents the earlier. */
  readonly results: readonly {
    /** Position in the documents. */
    readonly index: number
    /** The cosine of query and document from 0 to 1. */
    readonly relevanceScore: number
  }[]
  /** How the documents were scored: `embedding_cosine`, no cross-encoder. */
  readonly scoredBy: string
  readonly truncated: readonly string[]
}

export function similarityBody(compared: Compared, { model, taskType, dimensions, truncate }: SimilarityOptions): Record<string, unknown> {
  return { ...formOf(compared), model, task_type: taskType, output_dimensionality: dimensions, truncate }
}

function formOf(compared: Compared): Record<string, unknown> {
  if ('texts' in compared) return { inputs: compared.texts }
  if ('pairs' in compared) return { pairs: compared.pairs }
  return { source_sentence: compared.source, sentences: compared.sentences }
}

export function readSimilarity(compared: Compared, answer: Answer): Similarity<number[]> | Similarity<number[][]> {
  const rest = { truncated: answer.body.strings('truncated'), ...about(answer) }
  return 'texts' in compared ? { scores: answer.body.rows('scores'), ...rest } : { scores: answer.body.numbers('scores'), ...rest }
}

export function readRanking(answer: Answer): Ranking {
  const { body } = answer
  return {
    results: body.objects('results').map((result) => ({ index: result.number('index'), relevanceScore: result.number('relevance_score') })),
    scoredBy: body.string('scored_by'),
    truncated: body.strings('truncated'),
    ...about(answer),
  }
}

function about(answer: Answer): AboutTheAnswer {
  const { body } = answer
  const usage = body.object('usage')
  return {
    model: body.string('model'),
    space: body.string('space'),
    usage: usageOf(answer, { tokens: usage.number('total_tokens'), cachedTokens: usage.number('cached_tokens') }),
    warnings: body.strings('warnings'),
    requestId: requestIdOf(answer),
  }
}
