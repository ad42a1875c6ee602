import { type Static, Type } from 'typebox'
import { outputTypes } from '../../embedding/request.ts'
import { optional } from '../optional-field.ts'

export const embeddingTypes = [...outputTypes, 'base64'] as const
export type EmbeddingType = (typeof embeddingTypes)[number]

export const inputTypes = ['search_document', 'search_query', 'classification', 'clustering'] as const

const textContent = Type.Object({ type: Type.Literal('text'), text: Type.String() }, { additionalProperties: false })

/** Body of `POST /v2/embed`. Source: Cohere's API reference, v2 embed. */
export const embedBody = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 128, description: 'A model name.' }),
    texts: optional(Type.Array(Type.String(), { description: 'At most 96 texts.' })),
    inputs: optional(
      Type.Array(Type.Object({ content: Type.Array(textContent, { minItems: 1, maxItems: 1 }) }, { additionalProperties: false }), {
        description: 'The same in another form, each with one content of text; images are not served.',
      }),
    ),
    input_type: Type.Enum([...inputTypes], { description: 'What the vectors are for.' }),
    embedding_types: optional(
      Type.Array(Type.Enum([...embeddingTypes]), {
        maxItems: embeddingTypes.length,
        description: 'The numbers of the vectors, several at once if wanted; `float` when left out. `base64` is of little-endian float32.',
      }),
    ),
    output_dimension: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: 'Length of each vector.' })),
    truncate: optional(
      Type.Enum(['NONE', 'START', 'END'], {
        description:
          'What becomes of a text longer than the model reads: END, as when left out, shortens it at its end, NONE refuses it. START is refused.',
      }),
    ),
  },
  { additionalProperties: false },
)

export type CohereEmbedBody = Static<typeof embedBody>

/** Body of `POST /v2/rerank`. Source: Cohere's API reference, v2 rerank. */
export const rerankBody = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 128, description: 'A model name.' }),
    query: Type.String({ minLength: 1 }),
    documents: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
    top_n: optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'How many of the best documents to name.' })),
  },
  { additionalProperties: false },
)

export type CohereRerankBody = Static<typeof rerankBody>

const rows = Type.Array(Type.Array(Type.Number()))

const meta = Type.Object({
  api_version: Type.Object({ version: Type.String() }),
  billed_units: Type.Object({ input_tokens: Type.Integer() }),
  warnings: Type.Optional(Type.Array(Type.String())),
})

export const embedAnswer = Type.Object({
  id: Type.String({ description: 'Id of this request.' }),
  embeddings: Type.Object({
    ...Object.fromEntries(outputTypes.map((type) => [type, Type.Optional(rows)])),
    base64: Type.Optional(Type.Array(Type.String())),
  }),
  texts: Type.Array(Type.String()),
  meta,
  response_type: Type.Literal('embeddings_by_type'),
})

export const rerankAnswer = Type.Object({
  id: Type.String({ description: 'Id of this request.' }),
  results: Type.Array(Type.Object({ index: Type.Integer(), relevance_score: Type.Number({ description: 'The cosine, from 0 to 1.' }) })),
  meta,
})

export const cohereError = Type.Object({ message: Type.String() })
