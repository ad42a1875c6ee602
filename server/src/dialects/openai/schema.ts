import { type Static, Type } from 'typebox'
import { outputTypes, taskTypes } from '../../embedding/request.ts'
import { optional } from '../optional-field.ts'
import { otherNames } from './other-names.ts'

/**
 * Body of `POST /v1/embeddings`. Emptiness and counts of `input` are not checked here, because OpenAI answers them with a
 * sentence of its own. `task_type`, `output_dtype` and `truncate` are ours, those of
 * `otherNames` are Voyage's and Jina's. Source: OpenAI's OpenAPI document, CreateEmbeddingRequest.
 */
export const embeddingsBody = Type.Object(
  {
    input: Type.Union(
      [
        Type.String(),
        Type.Array(Type.String()),
        Type.Array(Type.Integer({ minimum: 0 })),
        Type.Array(Type.Array(Type.Integer({ minimum: 0 }))),
        Type.Array(Type.Object({ text: Type.String() }, { additionalProperties: false })),
      ],
      {
        description:
          "A text, a list of texts, the tokens of one text, or a list of those; or Jina's `{text}` objects. Tokens are those of cl100k_base.",
      },
    ),
    model: Type.String({ minLength: 1, description: 'A model name; `:query` or another purpose may follow it.' }),
    encoding_format: optional(Type.Enum(['float', 'base64'], { description: '`base64`: little-endian float32.' })),
    dimensions: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: 'Length of each vector.' })),
    user: optional(Type.String({ description: 'Accepted for compatibility; it is neither used nor kept.' })),
    task_type: optional(Type.Enum([...taskTypes], { description: 'What the vectors are for.' })),
    output_dtype: optional(Type.Enum([...outputTypes], { description: 'The numbers of the vectors.' })),
    truncate: optional(
      Type.Union([Type.Enum(['end', 'error']), Type.Boolean()], {
        description: 'What becomes of a text longer than the model reads; `error` unless said otherwise. True is `end`, false `error`.',
      }),
    ),
    ...otherNames,
  },
  { additionalProperties: false },
)

export type EmbeddingsBody = Static<typeof embeddingsBody>

/** Source: OpenAI's OpenAPI document, CreateEmbeddingResponse; `prompt_tokens_details` as in its other usages. */
export const embeddingsAnswer = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(
    Type.Object({
      object: Type.Literal('embedding'),
      index: Type.Integer(),
      embedding: Type.Union([Type.Array(Type.Number()), Type.String({ description: 'Base64, where `encoding_format` asked for it.' })]),
    }),
  ),
  model: Type.String({ description: 'The name the vectors are served under. `x-nearfield-model` says what made them.' }),
  usage: Type.Object({
    prompt_tokens: Type.Integer(),
    total_tokens: Type.Integer(),
    prompt_tokens_details: Type.Object({ cached_tokens: Type.Integer() }),
  }),
})

const nullableText = Type.Union([Type.String(), Type.Null()])

/** Source: OpenAI's OpenAPI document, Error; all four keys are required. */
export const openAiError = Type.Object({
  error: Type.Object({ message: Type.String(), type: Type.String(), param: nullableText, code: nullableText }),
})
