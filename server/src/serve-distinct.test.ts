import { expect, test } from 'vitest'
import { standInCaller as caller, hashingEmbedder, standInServices } from '../test/stand-in-services.ts'
import type { Embedder } from './embedding/embedder.ts'
import { NearfieldError } from './errors.ts'
import type { Services } from './serve.ts'
import { type PlacedText, serveDistinct } from './serve-distinct.ts'
import { serveRerank } from './serve-rerank.ts'
import { serveSimilarity } from './serve-similarity.ts'

const placed = (text: string, taskType: PlacedText['taskType'], index: number): PlacedText => ({ text, taskType, place: `texts[${index}]` })
const request = (texts: readonly PlacedText[]) => ({
  deployment: 'all-minilm-l6-v2',
  texts,
  dimensions: undefined,
  truncate: 'end' as const,
})

/** The stand-in rooms with a model that knows prompts, telling what it was given to read. */
function prompted(embedder: Embedder = hashingEmbedder) {
  const read: string[] = []
  const { services, charges } = standInServices({
    run: async (sequences, options) => {
      read.push(...sequences.map((ids) => Buffer.from(ids.subarray(1, -1)).toString()))
      return embedder.run(sequences, options)
    },
  })
  const models: Services['models'] = {
    ...services.models,
    async find(name) {
      const { deployment, lease } = await services.models.find(name)
      const model = { ...deployment.model, prompts: { RETRIEVAL_QUERY: 'query: ', RETRIEVAL_DOCUMENT: 'passage: ' } }
      return { deployment: { ...deployment, model }, lease }
    },
  }
  return { services: { ...services, models }, charges, read }
}

test('a query and its documents get the prompts of their purposes in one request with one charge', async () => {
  const { services, charges, read } = prompted()
  const texts = [placed('a', 'RETRIEVAL_QUERY', 0), placed('b', 'RETRIEVAL_DOCUMENT', 1), placed('a', 'RETRIEVAL_DOCUMENT', 2)]
  const { served, ranking } = await serveRerank(request([...texts, ...texts.slice(1)]), caller, services)
  expect(read).toEqual(['query: a', 'passage: b', 'passage: a'])
  expect(charges).toHaveLength(1)
  expect(charges[0]).toMatchObject({ requestId: 'req_a', inputs: 3, tokens: served.tokens })
  expect(ranking.map(({ index }) => index).toSorted()).toEqual([0, 1, 2, 3])
})

test('equal texts for one purpose share a vector, for two purposes they do not', async () => {
  const { services } = prompted()
  const texts = [placed('a', 'RETRIEVAL_QUERY', 0), placed('a', 'RETRIEVAL_QUERY', 1), placed('a', 'RETRIEVAL_DOCUMENT', 2)]
  const { vectors } = await serveDistinct(request(texts), caller, services)
  expect(vectors[0]).toBe(vectors[1])
  expect(vectors[0]).not.toEqual(vectors[2])
})

test('nothing is charged when the engine fails', async () => {
  const failing: Embedder = { run: async () => Promise.reject(new NearfieldError('engine_failed')) }
  const { services, charges } = prompted(failing)
  const texts = [placed('a', 'RETRIEVAL_QUERY', 0), placed('b', 'RETRIEVAL_DOCUMENT', 1)]
  await expect(serveRerank(request(texts), caller, services)).rejects.toMatchObject({ code: 'engine_failed' })
  await expect(serveSimilarity({ ...request(texts), compare: 'all' }, caller, services)).rejects.toMatchObject({ code: 'engine_failed' })
  expect(charges).toEqual([])
})
