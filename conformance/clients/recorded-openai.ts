import { Tiktoken } from 'js-tiktoken/lite'
import cl100k from 'js-tiktoken/ranks/cl100k_base'
import type { Call, Client } from '../client.ts'
import { at, ofEach, type Recording, recorded } from '../recorded-client.ts'

const speaks = 'openai'
const path = '/v1/embeddings'
const bearer = ({ key }: Call): Record<string, string> => (key === null ? {} : { authorization: `Bearer ${key}` })
const dimensionsOf = ({ dimensions }: Call) => dimensions !== undefined && { dimensions }

function fromBase64(value: unknown): number[] {
  const bytes = Uint8Array.from(Buffer.from(String(value), 'base64'))
  return [...new Float32Array(bytes.buffer)]
}

const openAiPython: Recording = {
  name: 'openai-python 3.3.1, recorded',
  speaks,
  request: (call, texts) => ({
    path,
    headers: { ...bearer(call), 'user-agent': 'OpenAI/Python 3.3.1', 'x-stainless-lang': 'python', 'x-stainless-retry-count': '0' },
    body: { input: texts, model: call.model, ...dimensionsOf(call), encoding_format: 'base64' },
  }),
  vectors: (answer) => ofEach(at(answer, 'data'), 'embedding').map(fromBase64),
}

const floats = (answer: unknown) => ofEach(at(answer, 'data'), 'embedding')

/** Older releases of LiteLLM send null where nothing is wanted. */
const liteLlm: Recording = {
  name: 'LiteLLM openai, recorded',
  speaks,
  request: (call, texts) => ({
    path,
    headers: bearer(call),
    body: { input: texts, model: call.model, ...dimensionsOf(call), encoding_format: null, user: null },
  }),
  vectors: floats,
}

const tokens = new Tiktoken(cl100k)

/** It sends tokens of OpenAI's in place of texts. */
const langChainPython: Recording = {
  name: 'langchain-openai (Python), recorded',
  speaks,
  request: (call, texts) => ({
    path: '/openai/v1/embeddings',
    headers: bearer(call),
    body: { input: texts.map((text) => tokens.encode(text)), model: call.model, ...dimensionsOf(call), encoding_format: 'base64' },
  }),
  vectors: (answer) => ofEach(at(answer, 'data'), 'embedding').map(fromBase64),
  textsOfOne: 1_000,
}

const googleCompatible: Recording = {
  name: "openai-python at Google's address, recorded",
  speaks,
  request: (call, texts) => ({
    path: '/v1beta/openai/embeddings',
    headers: bearer(call),
    body: { input: texts, model: call.model, ...dimensionsOf(call), encoding_format: 'float' },
  }),
  vectors: floats,
}

/** As Chroma and others ask Jina: a purpose of its own naming, and vectors of unit length. */
const jina: Recording = {
  name: 'Jina, recorded',
  speaks,
  request: (call, texts) => ({
    path,
    headers: { ...bearer(call), 'accept-encoding': 'identity' },
    body: { input: texts, model: call.model, task: 'retrieval.passage', ...dimensionsOf(call), normalized: true, late_chunking: false },
  }),
  vectors: floats,
}

export const recordedOpenAi: readonly Client[] = [openAiPython, liteLlm, langChainPython, googleCompatible, jina].map(recorded)
