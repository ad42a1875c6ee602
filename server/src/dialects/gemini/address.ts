/** What the path of a call to a model says. */
export interface AddressedModel {
  readonly version: string
  /** With its collection in front, such as `models/gemini-embedding-001`. */
  readonly name: string
  /** What follows the last colon, such as `embedContent`; `undefined` where nothing does. */
  readonly method: string | undefined
}

const nameCharactersMax = 128

/** Reads `/v1beta/models/gemini-embedding-001:embedContent`, the colon also as `%3A`; `undefined` for any other address. */
export function addressedModel(url: string): AddressedModel | undefined {
  const match = /^\/(v1|v1beta)\/((?:tunedModels|models)\/[^?#]+)/.exec(url)
  const [, version = '', encoded = ''] = match ?? []
  if (match === null) return undefined
  const path = decoded(encoded)
  const colon = path.lastIndexOf(':')
  const name = colon === -1 ? path : path.slice(0, colon)
  return {
    version,
    name: name.slice(0, nameCharactersMax),
    method: colon === -1 ? undefined : path.slice(colon + 1).slice(0, nameCharactersMax),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
