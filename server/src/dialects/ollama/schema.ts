import { type Static, Type } from 'typebox'
import { optional } from '../optional-field.ts'

const withoutEffect = 'Accepted, but without effect; `x-nearfield-warnings` names it.'

const model = Type.String({ minLength: 1, maxLength: 128, description: 'A model name; `:latest` may follow it.' })
const options = optional(Type.Object({}, { additionalProperties: true, description: withoutEffect }))
const keepAlive = optional(Type.Union([Type.String(), Type.Number()], { description: withoutEffect }))

/** Body of `POST /api/embed`. Source: Ollama's api.EmbedRequest. */
export const embedBody = Type.Object(
  {
    model,
    input: optional(
      Type.Union([Type.String(), Type.Array(Type.String())], {
        description: 'A text, or a list of texts. Without any the answer has no vectors and is free.',
      }),
    ),
    truncate: optional(Type.Boolean({ default: true, description: 'Whether a text longer than the model reads is shortened at its end.' })),
    dimensions: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: 'Length of each vector.' })),
    options,
    keep_alive: keepAlive,
  },
  { additionalProperties: false },
)

export type OllamaEmbedBody = Static<typeof embedBody>

/** Body of `POST /api/embeddings`, which came before. Source: Ollama's api.EmbeddingRequest. */
export const promptBody = Type.Object(
  { model, prompt: optional(Type.String()), options, keep_alive: keepAlive },
  { additionalProperties: false },
)

export type OllamaPromptBody = Static<typeof promptBody>

/** Body of `POST /api/show`; `name` is what `model` was called before. */
export const showBody = Type.Object(
  {
    model: optional(Type.String({ minLength: 1, maxLength: 128 })),
    name: optional(Type.String({ minLength: 1, maxLength: 128 })),
    verbose: optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export const embedAnswer = Type.Object({
  model: Type.String({ description: 'As it was asked for; `x-nearfield-model` says what made the vectors.' }),
  embeddings: Type.Array(Type.Array(Type.Number())),
  total_duration: Type.Integer({ description: 'Nanoseconds.' }),
  load_duration: Type.Integer({ description: 'Nanoseconds waited for the model.' }),
  prompt_eval_count: Type.Integer({ description: 'Tokens billed.' }),
})

export const promptAnswer = Type.Object({ embedding: Type.Array(Type.Number()) })

const details = Type.Object({
  parent_model: Type.String(),
  format: Type.String(),
  family: Type.String(),
  families: Type.Array(Type.String()),
  parameter_size: Type.String(),
  quantization_level: Type.String({ description: 'Which numbers it computes with; empty until it was loaded.' }),
})

export const tagsAnswer = Type.Object({
  models: Type.Array(
    Type.Object({
      name: Type.String(),
      model: Type.String(),
      modified_at: Type.String(),
      size: Type.Integer(),
      digest: Type.String({ description: 'Stands for the space of its vectors, or for its name until it was loaded.' }),
      details,
    }),
  ),
})

export const showAnswer = Type.Object({
  details,
  model_info: Type.Object({}, { additionalProperties: true }),
  capabilities: Type.Array(Type.String()),
  modified_at: Type.String(),
})

export const versionAnswer = Type.Object({ version: Type.String() })

export const ollamaError = Type.Object({ error: Type.String() })
