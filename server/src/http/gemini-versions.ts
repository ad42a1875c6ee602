/** Versions of Google's API; the documents show the first. */
export const geminiVersions = ['v1beta', 'v1'] as const
export type GeminiVersion = (typeof geminiVersions)[number]

/** Options of a route that OpenAI's client has an own one for under `/v1`. */
export function besideOpenAi<const Schema extends object>(version: GeminiVersion, schema: Schema) {
  return { ...(version === 'v1' && { constraints: { wire: 'gemini' } }), schema: { ...schema, hide: version !== geminiVersions[0] } }
}
