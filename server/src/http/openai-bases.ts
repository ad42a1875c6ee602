/** Where the base address of an OpenAI client may point: at `/v1` beside the other dialects, or at a place of its own. */
export const openAiBases = ['/v1', '/openai/v1', '/v1beta/openai'] as const

/** Options of a route that Google's client has an own one for under `/v1`; the documents show the first of the three places. */
export function besideGoogle<const Schema extends object>(base: (typeof openAiBases)[number], schema: Schema) {
  return { ...(base === '/v1' && { constraints: { wire: 'others' } }), schema: { ...schema, hide: base !== '/v1' } }
}
