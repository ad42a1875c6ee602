import type { Clock } from '../time.ts'
import { type Provider, UpstreamError, type UpstreamReply, type UpstreamText } from './provider.ts'
import type { RecordingFile } from './recording-file.ts'
import { isRecorded, type Outcome, type RecordedModel, RecordingError } from './recording-line.ts'

export interface RecordOptions {
  readonly provider: Provider
  readonly model: RecordedModel
  readonly recording: RecordingFile
  readonly clock: Clock
  /** Told, in a sentence, of an answer that could not be written down. */
  readonly onTrouble: (sentence: string) => void
}

/**
 * A provider that writes down what every call meant to each of its texts. Everything goes to the upstream, also what is
 * recorded already, so that a recording can be brought up to date. A full recording refuses before anything is asked and
 * paid; an answer that could not be written is answered all the same, and told.
 */
export function recordProvider({ provider, model, recording, clock, onTrouble }: RecordOptions): Provider {
  const keep = async (texts: readonly UpstreamText[], outcomes: readonly (Outcome | undefined)[]) => {
    const lines = texts.flatMap((text, index) => {
      const outcome = outcomes[index]
      return outcome === undefined ? [] : { item: recording.itemOf(text, model), model: model.model, outcome }
    })
    try {
      await recording.append(lines)
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error
      onTrouble(error.message)
    }
  }
  return {
    textsMax: provider.textsMax,
    embed: async (texts, signal) => {
      requireRoom(recording, texts.length, model)
      const startMs = clock.monotonicMs()
      const passedMs = () => Math.round(clock.monotonicMs() - startMs)
      try {
        const reply = await provider.embed(texts, signal)
        await keep(texts, answers(texts, reply, passedMs()))
        return reply
      } catch (thrown) {
        if (thrown instanceof UpstreamError) await keep(texts, failures(texts, thrown, passedMs()))
        throw thrown
      }
    },
  }
}

function requireRoom(recording: RecordingFile, vectors: number, { dimensions }: RecordedModel): void {
  try {
    recording.requireRoom(vectors, dimensions)
  } catch (cause) {
    throw new UpstreamError('refused', cause instanceof RecordingError ? cause.message : 'The recording takes nothing more.', { cause })
  }
}

function answers(texts: readonly UpstreamText[], { vectors, tokens }: UpstreamReply, ms: number): Outcome[] {
  const shares = tokens === undefined ? [] : sharesOf(tokens, texts)
  return vectors.map((vector, index) => ({ vector, tokens: shares[index], ms }))
}

/** Whom a failure concerns: all of them, or, where it is the text's own fault, the one that is known to be at fault. */
function failures(texts: readonly UpstreamText[], error: UpstreamError, ms: number): (Outcome | undefined)[] {
  const { failure, status, retryAfterMs, position = texts.length === 1 ? 0 : undefined } = error
  if (!isRecorded(failure)) return []
  const outcome = { failure, status, retryAfterMs: retryAfterMs === undefined ? undefined : Math.round(retryAfterMs), ms }
  return texts.map((_, index) => (failure !== 'invalid_text' || index === position ? outcome : undefined))
}

/** A call's tokens shared out by the lengths of its texts, in whole numbers that add up to them. */
function sharesOf(tokens: number, texts: readonly UpstreamText[]): number[] {
  const lengths = texts.map(({ text, title = '' }) => text.length + title.length + 1)
  const whole = lengths.reduce((sum, length) => sum + length, 0)
  let upTo = 0
  let given = 0
  return lengths.map((length) => {
    upTo += length
    const share = Math.round((tokens * upTo) / whole) - given
    given += share
    return share
  })
}
