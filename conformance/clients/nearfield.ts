import manifest from '../../clients/typescript/package.json' with { type: 'json' }
import { Nearfield } from '../../clients/typescript/src/nearfield.ts'
import { type Call, type Client, type ErrorKind, textsOf } from '../client.ts'
import { withoutCredential } from '../without-credential.ts'

function clientFor({ url, key }: Call): Nearfield {
  const fetch = key === null ? { fetch: withoutCredential('x-api-key', 'authorization') } : {}
  return new Nearfield({ baseUrl: url, apiKey: key ?? 'none', maxRetries: 0, ...fetch })
}

const quick = { pollMs: 50 }
const laterCannot = {
  overloaded: 'the server tries again by itself',
  'engine failed': 'the server tries again by itself',
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

/** The same, for answers that are fetched later. */
export const nearfieldLater: Client = {
  name: `${nearfield.name} embedLater`,
  speaks: 'segmind-v2',
  async embed(call) {
    const { model, input, dimensions } = call
    const later = await clientFor(call).embedLater(textsOf(input), { model, dimensions })
    return (await later.wait(quick)).vectors.map((vector) => Array.from(vector))
  },
  errorName: (status) => (status === 422 ? 'RequestFailedError' : (errorNames[status] ?? 'ServerError')),
  cannot: { ...laterCannot, cancellation: 'v2 has no way of taking a request back' },
}

const batchErrorNames: Partial<Record<ErrorKind, string>> = { credits: 'InsufficientCreditsError', 'unknown model': 'BatchFailedError' }

/** Through a file in OpenAI's format, in which each text is a request. */
export const nearfieldBatches: Client = {
  name: `${nearfield.name} batches`,
  speaks: 'openai',
  splits: true,
  async embed(call) {
    const { model, input, dimensions } = call
    const { batches } = clientFor(call)
    const { id } = await batches.create(textsOf(input), { model, dimensions, truncate: 'error' })
    await batches.wait(id, quick)
    const vectors: number[][] = []
    for await (const { vector, error } of batches.results(id)) {
      if (error !== undefined) throw error
      vectors.push(Array.from(vector))
    }
    return vectors
  },
  errorName: (status, kind) => batchErrorNames[kind] ?? errorNames[status] ?? 'ServerError',
  cannot: {
    ...laterCannot,
    cancellation: 'a batch is cancelled by a call of its own',
    'no key': 'without a credential the paths that dialects share are not OpenAI’s',
    'rate limit': 'each batch is two requests, a file and a batch',
  },
}
