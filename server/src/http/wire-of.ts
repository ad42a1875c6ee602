import { cohere } from '../dialects/cohere/cohere.ts'
import type { RequestHeaders, Wire } from '../dialects/dialect.ts'
import { gemini, isGooglesClient, isSignedLikeGoogle } from '../dialects/gemini/gemini.ts'
import { items } from '../dialects/items/items.ts'
import { ollama } from '../dialects/ollama/ollama.ts'
import { openai } from '../dialects/openai/openai.ts'
import { segmind } from '../dialects/segmind/segmind.ts'
import { tei } from '../dialects/tei/tei.ts'

/** What is known of a request before anything else of it is read. */
export interface RequestHead {
  /** The path with the query. */
  readonly url: string
  readonly headers: RequestHeaders
}

/** Paths that one dialect owns, the longer ones first. */
const owners: readonly (readonly [RegExp, Wire])[] = [
  [/^\/openai\//, openai],
  [/^\/v1beta\/openai\//, openai],
  [/^\/v1\/embeddings(?:[/?]|$)/, openai],
  [/^\/(?:upload\/)?v1beta\//, gemini],
  [/^\/(?:upload\/v1|v1\/tunedModels)\//, gemini],
  [/^\/v1(?:beta1)?\/(?:publishers|projects)\//, gemini],
  // A method after a name: whatever the credential looks like, only Google's clients ask for that.
  [/^\/v1\/models\/[^?]*(?::|%3a)[a-z]*(?:contents?|tokens)(?:\?|$)/i, gemini],
  [/^\/v1\/(?:files|batches)\/[^?/]*(?::|%3a)[a-z]+(?:\?|$)/i, gemini],
  [/^\/(?:embed|similarity|tokenize|info)(?:[/?]|$)/, tei],
  [/^\/tei\//, tei],
  [/^\/api\//, ollama],
  [/^\/v1\/embed(?:[/?]|$)/, items],
  [/^\/v2\/(?:embed|rerank)(?:[/?]|$)/, cohere],
]

/** Paths that several dialects have in common: there the form of the credential decides. */
const shared = /^\/v1\/(?:models|files|batches|webhook_endpoints|webhook_event_types)(?:[/?]|$)/
/** Of these, what Segmind has nothing of. */
const sharedByTwo = /^\/v1\/(?:files|batches|webhook_endpoints|webhook_event_types)(?:[/?]|$)/

/**
 * The dialect a request speaks, by its path where one dialect owns that, by its credential where several share it. Errors
 * are written in it even before there is a route.
 */
export function wireOf(head: RequestHead | undefined): Wire {
  if (head === undefined) return segmind
  const { url, headers } = head
  for (const [path, wire] of owners) if (path.test(url)) return wire
  if (!shared.test(url)) return isGooglesClient(headers) ? gemini : segmind
  if (isSignedLikeGoogle(headers, url)) return gemini
  return headers.authorization === undefined && !sharedByTwo.test(url) ? segmind : openai
}
