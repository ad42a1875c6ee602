import { type Static, Type } from 'typebox'
import { optional } from '../optional-field.ts'

const truncate = optional(
  Type.Boolean({ description: 'Whether a text longer than the model reads is shortened at its end; false, as at TEI, refuses it.' }),
)
const truncationDirection = optional(
  Type.Enum(['Left', 'Right', 'left', 'right'], { description: 'Texts are shortened at their end alone, so `Left` is refused.' }),
)
const promptName = optional(
  Type.String({
    minLength: 1,
    description: 'What the vectors are for: query, document or passage, similarity, classification, clustering.',
  }),
)

/** Body of `POST /embed`. Emptiness of `inputs` is not checked here, because TEI has a status of its own for it. Source: TEI's OpenAPI document, EmbedRequest. */
export const embedBody = Type.Object(
  {
    inputs: Type.Union([Type.String(), Type.Array(Type.String())], { description: 'A text, or a list of texts.' }),
    truncate,
    truncation_direction: truncationDirection,
    prompt_name: promptName,
    normalize: optional(Type.Boolean({ description: 'Vectors are of unit length, so false is refused.' })),
    dimensions: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: 'Length of each vector.' })),
  },
  { additionalProperties: false },
)

export type TeiEmbedBody = Static<typeof embedBody>

/** Body of `POST /similarity`. Source: TEI's OpenAPI document, SimilarityRequest. */
export const similarityBody = Type.Object(
  {
    inputs: Type.Object(
      { source_sentence: Type.String(), sentences: Type.Array(Type.String()) },
      { additionalProperties: false, description: 'A text, and those it is compared with.' },
    ),
    parameters: optional(
      Type.Object({ truncate, truncation_direction: truncationDirection, prompt_name: promptName }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
)

export type TeiSimilarityBody = Static<typeof similarityBody>

/** Body of `POST /tokenize`. Source: TEI's OpenAPI document, TokenizeRequest. */
export const tokenizeBody = Type.Object(
  {
    inputs: Type.Union([Type.String(), Type.Array(Type.String())], { description: 'A text, or a list of texts.' }),
    add_special_tokens: optional(Type.Boolean({ default: true })),
    prompt_name: promptName,
  },
  { additionalProperties: false },
)

export type TeiTokenizeBody = Static<typeof tokenizeBody>

export const vectors = Type.Array(Type.Array(Type.Number()))
export const scores = Type.Array(Type.Number())

const nullableWhole = Type.Union([Type.Integer(), Type.Null()])

export const tokens = Type.Array(
  Type.Array(
    Type.Object({
      id: Type.Integer(),
      text: Type.String({ description: 'The token as the vocabulary writes it.' }),
      special: Type.Boolean(),
      start: nullableWhole,
      stop: nullableWhole,
    }),
  ),
)

export const info = Type.Object({
  model_id: Type.String({ description: 'The model that makes the vectors.' }),
  served_model_name: Type.String({ description: 'The name it is served under.' }),
  model_sha: Type.Union([Type.String(), Type.Null()]),
  model_dtype: Type.String(),
  model_type: Type.Object({ embedding: Type.Object({ pooling: Type.String() }) }),
  max_concurrent_requests: Type.Integer(),
  max_input_length: Type.Integer(),
  max_batch_tokens: Type.Integer(),
  max_batch_requests: nullableWhole,
  max_client_batch_size: Type.Integer(),
  auto_truncate: Type.Boolean(),
  tokenization_workers: Type.Integer(),
  version: Type.String(),
})

export const teiError = Type.Object({
  error: Type.String(),
  error_type: Type.Enum(['Validation', 'Empty', 'Overloaded', 'Backend', 'Unhealthy']),
})
