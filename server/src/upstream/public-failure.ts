import { NearfieldError } from '../errors.ts'
import { NotRecordedError, type UpstreamError } from './provider.ts'

/**
 * What a caller is told when another machine gave no vectors, in the codes every dialect knows. The cause goes into the log.
 * @param input which of the request's inputs it is about
 */
export function publicFailure(model: string, cause: UpstreamError, input: number): NearfieldError {
  switch (cause.failure) {
    case 'timed_out':
      return new NearfieldError('deadline_exceeded', `The service that computes ${model} did not answer in time. Nothing was billed.`, {
        cause,
      })
    case 'invalid_text':
      return new NearfieldError('invalid_request', `The service that computes ${model} refuses this input. Nothing was billed.`, {
        cause,
        details: { field: 'input' },
      })
    case 'refused':
      return new NearfieldError('engine_failed', `The service that computes ${model} refuses this server. Nothing was billed.`, { cause })
    case 'rate_limited':
      return tooBusy(model, cause.retryAfterMs ?? 1_000)
    case 'wrong_answer':
      return new NearfieldError('engine_failed', `The service that computes ${model} gave a wrong answer. Nothing was billed.`, { cause })
    case 'not_recorded': {
      const item = cause instanceof NotRecordedError ? cause.item : 'unknown'
      return new NearfieldError(
        'not_recorded',
        `Input ${input} is not in the recording that is replayed for ${model}: it would be item ${item}. ` +
          'Record it: start the server with NEARFIELD_UPSTREAM=record and a key of the service, and send this request again. Nothing was billed.',
        { cause, details: { field: 'input', index: input, item } },
      )
    }
    case 'unavailable':
      return new NearfieldError('engine_failed', `The service that computes ${model} failed. Nothing was billed.`, { cause })
  }
}

/** Its turn would come too late. */
export function tooBusy(model: string, retryAfterMs: number): NearfieldError {
  return new NearfieldError('overloaded', `The service that computes ${model} is at its limit. Try again later.`, {
    details: { retryAfterMs },
  })
}

/** It failed lately, and is not asked before that time. */
export function brokenOff(model: string, retryAfterMs: number): NearfieldError {
  return new NearfieldError(
    'engine_failed',
    `The service that computes ${model} keeps failing and is left alone for a while. Nothing was billed.`,
    {
      details: { retryAfterMs },
    },
  )
}
