import type { Call, Client } from '../client.ts'
import { at, ofEach, type Recording, recorded } from '../recorded-client.ts'

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

export const recordedOthers: readonly Client[] = [tei, items].map(recorded)
