import type { ErrorKind, Speaks } from './client.ts'

/** What the wire says of an error, and words that every user of a client must be able to read. */
export interface Refusal {
  readonly status: number
  readonly words: RegExp
}

/** Each error as each dialect tells it. Source: the guides to the dialects. */
export const refusals: Readonly<Record<Speaks, Readonly<Record<ErrorKind, Refusal>>>> = {
  openai: {
    'wrong key': { status: 401, words: /Incorrect API key provided/ },
    'no key': { status: 401, words: /You didn't provide an API key/ },
    'bad field': { status: 400, words: /dimensions/i },
    'too many': { status: 400, words: /\$\.input' is invalid/ },
    'too long': { status: 400, words: /tokens/ },
    'rate limit': { status: 429, words: /allows 5 requests a minute\. Try again in \d+ s/ },
    credits: { status: 429, words: /You exceeded your current quota/ },
    'unknown model': { status: 404, words: /no-such-model/ },
    overloaded: { status: 503, words: /The server is at its limit\. Try again shortly/ },
    'engine failed': { status: 502, words: /The embedding engine failed on this request\. Nothing was billed/ },
  },
  gemini: {
    'wrong key': { status: 400, words: /API key not valid\. Please pass a valid API key\./ },
    'no key': { status: 403, words: /Method doesn't allow unregistered callers/ },
    'bad field': { status: 400, words: /dimension/i },
    'too many': { status: 400, words: /at most 100 requests can be in one batch/ },
    'too long': { status: 400, words: /tokens/ },
    'rate limit': { status: 429, words: /allows 5 requests a minute/ },
    credits: { status: 402, words: /balance/ },
    'unknown model': { status: 404, words: /models\/no-such-model is not found/ },
    overloaded: { status: 503, words: /at its limit/ },
    'engine failed': { status: 500, words: /Nothing was billed/ },
  },
}
