import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import type { EmbedRequest } from './request.ts'

/** Tokens are counted exactly up to this multiple of a deployment's limit; a longer text is reported as at least that long. */
export const countedMultiple = 4

/** An input of so many tokens that must not be shortened. */
export function inputTooLong(index: number, tokens: number, { name, inputTokensMax }: Deployment): NearfieldError {
  const counted = tokens < countedMultiple * inputTokensMax ? `${tokens}` : `at least ${tokens}`
  return new NearfieldError(
    'input_too_long',
    `Input ${index} has ${counted} tokens; ${name} accepts ${inputTokensMax}. Shorten it, split it, or allow truncation.`,
    { details: { field: 'input', index, tokens, tokensMax: inputTokensMax } },
  )
}

/** More tokens up to this input than the dialect allows in all. */
export function tooManyTokens(index: number, { tokensMax = 0 }: EmbedRequest): NearfieldError {
  return new NearfieldError(
    'input_too_long',
    `Up to input ${index} the request has more than the ${tokensMax} tokens it may have in all. Split the list: max ${tokensMax} tokens per request.`,
    { details: { field: 'input', index, tokensMax, tooManyTokens: true } },
  )
}

/** An input without any token, which has no meaning to embed. */
export function emptyInput(index: number): NearfieldError {
  return new NearfieldError('invalid_request', `Input ${index} is empty: it has no text to embed. Leave it out, or send some text.`, {
    details: { field: 'input', index },
  })
}
