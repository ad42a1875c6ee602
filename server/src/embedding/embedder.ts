import type { TaskType } from './request.ts'

/** A whole text for another machine, with all that decides its vector there. */
export interface WholeText {
  readonly text: string
  /** Left out where the upstream has no place for it, or the caller named none. */
  readonly taskType?: TaskType
  readonly title?: string
}

/** What is embedded, and found again in the cache: token ids that already carry their special tokens, or a text for another machine. */
export type Sequence = Int32Array | WholeText

/**
 * The port between the product and whatever computes vectors. `inference/` implements it with this machine,
 * `upstream/` with other machines. The contract:
 *
 * - one vector per sequence, in order, or an error for all of them; never a shorter list;
 * - every returned vector is finite and of the model's own length; on this machine of unit length;
 * - on this machine the bits of a vector depend on its own token ids alone, not on batch mates, position or load.
 *
 * `Of` is what it takes: a model's embedder is given what the same model prepared, nothing else.
 */
export interface Embedder<Of extends Sequence = Int32Array> {
  /**
   * @throws NearfieldError `overloaded` when it would be answered too late, with the time to come back, `payload_too_large`
   * when that is never, `deadline_exceeded` when the deadline passes first, `engine_failed` when the sequence failed for good,
   * `invalid_request` when another machine will not have a text; an aborted signal rejects with its reason.
   */
  run(sequences: readonly Of[], options: EmbedOptions): Promise<EmbedOutcome>
  /** Milliseconds until a call of that size would be answered if it came now; `undefined` while the speed is unknown. */
  predictedWaitMs?(accountId: string, tokens: number, sequences?: number): number | undefined
}

/** Who waits: somebody, or a job. Interactive work goes first, bulk work keeps a share. */
export const lanes = ['interactive', 'bulk'] as const
export type Lane = (typeof lanes)[number]

export interface EmbedOptions {
  /** Whose work this is; the scheduler shares the machine between accounts. */
  readonly accountId: string
  /** Left out, the size of the work decides. */
  readonly lane?: Lane | undefined
  readonly signal: AbortSignal
  /** On the clock's monotonic scale, milliseconds. */
  readonly deadlineMs: number
  /** Which of the request's sequences each one is, where some were known already; left out, they are all of them, in order. */
  readonly places?: readonly number[]
}

export interface EmbedOutcome {
  /** `[sequences]` vectors of the model's own length. Others may share them: they must not be changed. */
  readonly vectors: readonly Float32Array[]
  /** Milliseconds between arrival and the start of the last batch that held one of the sequences. */
  readonly queueMs: number
  /** Milliseconds of inference of that batch. */
  readonly inferMs: number
}

/** Text to token ids, without special tokens added and without a length limit of its own. */
export interface Tokenizer {
  /**
   * The ids of `text`, `[tokens]`, or the first `tokensMax` of them: then the time it takes depends on `tokensMax`, not on
   * the length of the text. Special tokens written in the text become those tokens, as in the reference tokenizer.
   * Any string is safe, lone surrogates and NUL included.
   */
  encode(text: string, tokensMax?: number): Int32Array
  /** A token as the vocabulary writes it, such as `##ing`; `undefined` for an id that there is not. Only tokenize asks for it. */
  piece?(id: number): string | undefined
  /** Ids put before every sequence, such as `[CLS]`; empty for a model that wants none. */
  readonly startIds: readonly number[]
  /** Ids put after every sequence, such as `[SEP]`; empty for a model that wants none. */
  readonly endIds: readonly number[]
}
