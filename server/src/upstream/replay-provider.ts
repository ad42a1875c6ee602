import { NotRecordedError, type Provider, UpstreamError, type UpstreamReply, type UpstreamText } from './provider.ts'
import { type Kept, lastVector, type RecordingFile } from './recording-file.ts'
import type { FailureOutcome, RecordedModel, VectorOutcome } from './recording-line.ts'

export interface ReplayOptions {
  readonly model: RecordedModel
  readonly recording: RecordingFile
  /** Most texts of one call, as the recorded upstream has it. */
  readonly textsMax: number
  /** True replays also the failures that came before an answer, each once and in their order. */
  readonly failures: boolean
  /** True takes as long as the recorded calls took. */
  readonly latency: boolean
  /** Rejects with the signal's reason when that is aborted first. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * A provider that answers from a recording, text by text, so however texts are put together in calls, each gets the bytes
 * it was recorded with: those of its last answer. It reaches for no network and needs no key.
 *
 * A text without an answer gets its last failure. With `failures` a text's outcomes are replayed in their order, one a
 * call, until its last answer, which stays.
 */
export function replayProvider({ model, recording, textsMax, failures, latency, wait }: ReplayOptions): Provider {
  /** How many outcomes of an item were replayed. Bounded by the items of the recording. */
  const replayed = new Map<string, number>()

  const choose = async (item: string): Promise<VectorOutcome | FailureOutcome> => {
    const outcomes = recording.outcomesOf(item)
    const turn = replayed.get(item) ?? 0
    const kept: Kept | undefined = (failures ? outcomes[turn] : undefined) ?? lastVector(outcomes) ?? outcomes.at(-1)
    if (kept === undefined) throw new Error('an item without an outcome was chosen; this is a bug')
    if (failures && turn < outcomes.length) replayed.set(item, turn + 1)
    return 'offset' in kept ? recording.vectorAt(kept, item) : kept
  }

  return {
    textsMax,
    embed: async (texts, signal): Promise<UpstreamReply> => {
      signal.throwIfAborted()
      const items = texts.map((text: UpstreamText) => recording.itemOf(text, model))
      for (const [position, item] of items.entries()) {
        if (recording.outcomesOf(item).length === 0) throw new NotRecordedError(item, position)
      }
      const chosen: (VectorOutcome | FailureOutcome)[] = []
      for (const item of items) chosen.push(await choose(item))
      if (latency) await wait(Math.max(0, ...chosen.map(({ ms }) => ms)), signal)
      signal.throwIfAborted()
      return replyOf(chosen)
    },
  }
}

/** @throws UpstreamError where a text has a failure, as the call had that it was recorded from */
function replyOf(outcomes: readonly (VectorOutcome | FailureOutcome)[]): UpstreamReply {
  const vectors: Float32Array[] = []
  let tokens: number | undefined = 0
  for (const [position, outcome] of outcomes.entries()) {
    if ('failure' in outcome) {
      const { failure, status, retryAfterMs } = outcome
      throw new UpstreamError(failure, `Text ${position} of the call has this failure in the recording.`, {
        ...(status !== undefined && { status }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
        position,
      })
    }
    vectors.push(outcome.vector)
    tokens = tokens === undefined || outcome.tokens === undefined ? undefined : tokens + outcome.tokens
  }
  return { vectors, tokens }
}
