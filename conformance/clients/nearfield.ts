import manifest from '../../clients/typescript/package.json' with { type: 'json' }
import { Nearfield } from '../../clients/typescript/src/nearfield.ts'
import { type Call, type Client, textsOf } from '../client.ts'
import { withoutCredential } from '../without-credential.ts'

function clientFor({ url, key }: Call): Nearfield {
  const fetch = key === null ? { fetch: withoutCredential('x-api-key') } : {}
  return new Nearfield({ baseUrl: url, apiKey: key ?? 'none', maxRetries: 0, ...fetch })
}

const errorNames: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  404: 'NotFoundError',
  406: 'InsufficientCreditsError',
  429: 'RateLimitError',
}

/** Our own, from this repository. */
export const nearfield: Client = {
  name: `${manifest.name} ${manifest.version}`,
  speaks: 'segmind',
  splits: true,
  async embed(call) {
    const { model, input, dimensions, signal } = call
    const { vectors } = await clientFor(call).embedMany(textsOf(input), { model, dimensions, signal })
    return vectors.map((vector) => Array.from(vector))
  },
  errorName: (status) => errorNames[status] ?? 'ServerError',
}
