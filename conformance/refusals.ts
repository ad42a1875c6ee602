import type { ErrorKind, Speaks } from './client.ts'

/** What the wire says of an error, and words that every user of a client must be able to read. */
export interface Refusal {
  readonly status: number
  readonly words: RegExp
}

/** Texts that one call may have. */
export const textsMax: Readonly<Record<Speaks, number>> = {
  openai: 2_048,
  gemini: 100,
  segmind: 2_048,
  'segmind-v2': 2_048,
  ollama: 2_048,
  cohere: 96,
  tei: 2_048,
  items: 2_048,
}

/** What a dialect makes of a text that is too long, where it does not refuse it. */
export type Outcome = Refusal | 'shortened'

const rateLimit = /allows 5 requests a minute\. Try again in \d+ s/
const engineFailed = /The embedding engine failed on this request\. Nothing was billed/
const overloaded = /The server is at its limit\. Try again shortly/
const balance = /the balance is \$0\.000000001 and this request needs \$0\.\d+/

/** Of v1. What v2 can tell at once, it tells in the same words. */
const segmind: Readonly<Record<ErrorKind, Outcome>> = {
  'wrong key': { status: 401, words: /Unauthorized\. API key is invalid or may have expired/ },
  'no key': { status: 401, words: /Missing Authorization or x-api-key in header/ },
  'bad field': { status: 400, words: /output_dimensionality/ },
  'too many': { status: 400, words: /at most 2048 fit one request/ },
  'too long': 'shortened',
  'rate limit': { status: 429, words: rateLimit },
  credits: { status: 406, words: balance },
  'unknown model': { status: 404, words: /no-such-model/ },
  overloaded: { status: 429, words: overloaded },
  'engine failed': { status: 502, words: engineFailed },
}

/** Each error as each dialect tells it. Source: the guides to the dialects. */
export const refusals: Readonly<Record<Speaks, Readonly<Record<ErrorKind, Outcome>>>> = {
  openai: {
    'wrong key': { status: 401, words: /Incorrect API key provided/ },
    'no key': { status: 401, words: /You didn't provide an API key/ },
    'bad field': { status: 400, words: /dimensions/i },
    'too many': { status: 400, words: /\$\.input' is invalid/ },
    'too long': { status: 400, words: /Input 0 has 3000 tokens/ },
    'rate limit': { status: 429, words: rateLimit },
    credits: { status: 429, words: balance },
    'unknown model': { status: 404, words: /no-such-model/ },
    overloaded: { status: 503, words: overloaded },
    'engine failed': { status: 502, words: engineFailed },
  },
  gemini: {
    'wrong key': { status: 400, words: /API key not valid\. Please pass a valid API key\./ },
    'no key': { status: 403, words: /Method doesn't allow unregistered callers/ },
    'bad field': { status: 400, words: /dimension/i },
    'too many': { status: 400, words: /\* BatchEmbedContentsRequest\.requests: at most 100 requests can be in one batch/ },
    'too long': 'shortened',
    'rate limit': { status: 429, words: /You exceeded your current quota.*allows 5 requests a minute/ },
    credits: { status: 402, words: balance },
    'unknown model': { status: 404, words: /models\/no-such-model is not found for API version v1/ },
    overloaded: { status: 503, words: /The model is overloaded\. Please try again later\./ },
    'engine failed': { status: 503, words: engineFailed },
  },
  ollama: {
    'wrong key': { status: 401, words: /API key is invalid/ },
    'no key': { status: 401, words: /API key/ },
    'bad field': { status: 400, words: /dimensions/i },
    'too many': { status: 400, words: /2048/ },
    'too long': 'shortened',
    'rate limit': { status: 429, words: rateLimit },
    credits: { status: 402, words: balance },
    'unknown model': { status: 404, words: /no-such-model.*not found|not found.*no-such-model/ },
    overloaded: { status: 429, words: overloaded },
    'engine failed': { status: 502, words: engineFailed },
  },
  cohere: {
    'wrong key': { status: 401, words: /API key is invalid/ },
    'no key': { status: 401, words: /API key/ },
    'bad field': { status: 400, words: /dimension/i },
    'too many': { status: 400, words: /at most 96/ },
    'too long': 'shortened',
    'rate limit': { status: 429, words: rateLimit },
    credits: { status: 402, words: balance },
    'unknown model': { status: 404, words: /no-such-model/ },
    overloaded: { status: 429, words: overloaded },
    'engine failed': { status: 502, words: engineFailed },
  },
  segmind,
  // What takes a run to know is told by the run, and its status is always the same.
  'segmind-v2': { ...segmind, credits: { status: 422, words: balance } },
  tei: {
    'wrong key': { status: 401, words: /API key is invalid/ },
    'no key': { status: 401, words: /API key/ },
    'bad field': { status: 422, words: /dimensions/ },
    'too many': { status: 422, words: /batch size 2049 > maximum allowed batch size 2048/ },
    'too long': { status: 422, words: /3000 tokens/ },
    'rate limit': { status: 429, words: rateLimit },
    credits: { status: 402, words: balance },
    'unknown model': { status: 404, words: /no-such-model/ },
    overloaded: { status: 429, words: overloaded },
    'engine failed': { status: 424, words: engineFailed },
  },
  items: {
    'wrong key': { status: 401, words: /API key is invalid/ },
    'no key': { status: 401, words: /API key/ },
    'bad field': { status: 400, words: /None of the 1 items can be embedded; `items` says why/ },
    'too many': { status: 400, words: /2048/ },
    'too long': 'shortened',
    'rate limit': { status: 429, words: rateLimit },
    credits: { status: 402, words: balance },
    'unknown model': { status: 404, words: /no-such-model/ },
    overloaded: { status: 429, words: overloaded },
    'engine failed': { status: 502, words: engineFailed },
  },
}
