import type { Call, Client } from '../client.ts'
import { at, ofEach, type Recording, recorded } from '../recorded-client.ts'

const segmindPython: Recording = {
  name: 'segmind-python 1.3.0 run_sync, recorded',
  speaks: 'segmind',
  request: (call, texts) => ({
    path: `/v1/${call.model}`,
    headers: { ...keyHeader(call), 'user-agent': 'segmind-python-sdk/1.3.0', 'x-initiator': 'SDK-PY' },
    body: { input: texts, ...(call.dimensions !== undefined && { output_dimensionality: call.dimensions }) },
  }),
  vectors: (answer) => ofEach(at(answer, 'embeddings'), 'values'),
}

function keyHeader({ key }: Call): Record<string, string> {
  return key === null ? {} : { 'x-api-key': key }
}

/** As Hugging Face's clients ask an endpoint of Text Embeddings Inference. */
const tei: Recording = {
  name: 'TEI /embed, recorded',
  speaks: 'tei',
  request: (call, texts) => ({
    path: `/tei/${call.model}/embed`,
    headers: call.key === null ? {} : { authorization: `Bearer ${call.key}` },
    body: { inputs: texts, ...(call.dimensions !== undefined && { dimensions: call.dimensions }) },
  }),
  vectors: (answer) => answer,
}

const items: Recording = {
  name: 'POST /v1/embed, recorded',
  speaks: 'items',
  request: (call, texts) => ({
    path: '/v1/embed',
    headers: keyHeader(call),
    body: { model: call.model, dimensions: call.dimensions, items: texts.map((text, index) => ({ id: `item ${index}`, text })) },
  }),
  vectors: (answer) => ofEach(at(answer, 'items'), 'embedding'),
}

export const recordedOthers: readonly Client[] = [segmindPython, tei, items].map(recorded)
