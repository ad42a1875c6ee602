import type { Call, Client } from '../client.ts'
import { at, ofEach, type Recording, recorded } from '../recorded-client.ts'

// As the sources of these clients write them; the fields of one request are in the order in which they are sent.

const speaks = 'gemini'
const pathOf = (model: string, method: string) => `/v1beta/models/${model}:${method}`
const vectors = (answer: unknown) => ofEach(at(answer, 'embeddings'), 'values')
const keyHeader = ({ key }: Call): Record<string, string> => (key === null ? {} : { 'x-goog-api-key': key })
const dimensionsOf = ({ dimensions }: Call) => dimensions !== undefined && { outputDimensionality: dimensions }

const pythonGenAi: Recording = {
  name: 'python-genai 2.19.0, recorded',
  speaks,
  request: (call, texts) => ({
    path: pathOf(call.model, 'batchEmbedContents'),
    headers: { ...keyHeader(call), 'x-goog-api-client': 'google-genai-sdk/2.19.0 gl-python/3.13.5' },
    body: {
      requests: texts.map((text) => ({
        content: { parts: [{ text }], role: 'user' },
        ...dimensionsOf(call),
        model: `models/${call.model}`,
      })),
    },
  }),
  vectors,
}

const liteLlmBody = (call: Call, texts: readonly string[]) => ({
  requests: texts.map((text) => ({ model: `models/${call.model}`, content: { parts: [{ text }] }, ...dimensionsOf(call) })),
})

const liteLlm: Recording = {
  name: 'LiteLLM gemini, recorded',
  speaks,
  request: (call, texts) => ({
    path: `${pathOf(call.model, 'batchEmbedContents')}${call.key === null ? '' : `?key=${call.key}`}`,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: liteLlmBody(call, texts),
  }),
  vectors,
}

/** Its older releases send every key as a bearer token to an address of the operator's. */
const liteLlmWithAddress: Recording = {
  name: 'LiteLLM gemini with api_base, recorded',
  speaks,
  request: (call, texts) => ({
    path: pathOf(call.model, 'batchEmbedContents'),
    headers: call.key === null ? {} : { authorization: `Bearer ${call.key}` },
    body: liteLlmBody(call, texts),
  }),
  vectors,
}

const langChainPython: Recording = {
  name: 'langchain-google-genai (Python), recorded',
  speaks,
  request: (call, texts) => ({
    path: pathOf(call.model, 'batchEmbedContents'),
    headers: keyHeader(call),
    body: {
      requests: texts.map((text) => ({
        content: { parts: [{ text }] },
        taskType: 'RETRIEVAL_DOCUMENT',
        ...dimensionsOf(call),
        model: `models/${call.model}`,
      })),
    },
  }),
  vectors,
  textsOfOne: 100,
}

const chromaPython: Recording = {
  name: 'chromadb google (Python), recorded',
  speaks,
  request: (call, [text]) => ({
    path: pathOf(call.model, 'embedContent'),
    headers: keyHeader(call),
    // As the older package does it: numbers for enums, names as in the protocol's own files.
    body: {
      content: { parts: [{ text }] },
      task_type: 2,
      ...(call.dimensions !== undefined && { output_dimensionality: call.dimensions }),
    },
  }),
  vectors: (answer) => [at(answer, 'embedding', 'values')],
  textsOfOne: 1,
}

export const recordedGoogle: readonly Client[] = [pythonGenAi, liteLlm, liteLlmWithAddress, langChainPython, chromaPython].map(recorded)
