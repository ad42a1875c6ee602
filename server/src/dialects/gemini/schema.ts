import { Type } from 'typebox'
import { taskTypes } from '../../embedding/request.ts'
import { optional } from '../optional-field.ts'

// These describe the bodies; they are read and refused field by field in decode.ts, because Google's parser takes more
// forms than a schema says well: original names too, numbers as text, enums by number.

const content = Type.Object(
  {
    role: optional(Type.String({ description: 'Not used.' })),
    parts: Type.Array(Type.Object({ text: Type.String({ minLength: 1 }) }, { additionalProperties: false }), {
      minItems: 1,
      description: 'Several parts are one text, a line each.',
    }),
  },
  { additionalProperties: false },
)

const options = {
  taskType: optional(Type.Enum([...taskTypes], { description: 'What the vector is for; also by its number.' })),
  title: optional(Type.String({ description: 'Of a document. Goes into the vector where the model was trained with titles.' })),
  outputDimensionality: optional(Type.Integer({ minimum: 1, maximum: 65_536, description: 'Length of the vector.' })),
}

const embedContentConfig = Type.Object(
  {
    ...options,
    autoTruncate: optional(Type.Boolean({ default: true, description: 'False refuses a text longer than the model reads.' })),
    normalize: optional(
      Type.Boolean({ description: 'Ours: whether a shortened vector is scaled to unit length. As at Google it is not, unless said so.' }),
    ),
  },
  { additionalProperties: false },
)

/** Source: generativelanguage v1beta, EmbedContentRequest. */
export const embedContentBody = Type.Object(
  {
    model: optional(Type.String({ description: 'Must be the model of the path, with or without `models/`.' })),
    content,
    ...options,
    embedContentConfig: optional(embedContentConfig),
  },
  { additionalProperties: false },
)

/** Source: generativelanguage v1beta, BatchEmbedContentsRequest. */
export const batchBody = Type.Object(
  { requests: Type.Array(embedContentBody, { minItems: 1, maxItems: 100 }) },
  { additionalProperties: false },
)

/** Source: generativelanguage v1beta, CountTokensRequest. */
export const countTokensBody = Type.Object(
  {
    contents: optional(Type.Array(content, { minItems: 1 })),
    generateContentRequest: optional(
      Type.Object({ model: optional(Type.String()), contents: Type.Array(content, { minItems: 1 }) }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
)

/** Source: the reference of text embeddings on Vertex AI. */
export const predictBody = Type.Object(
  {
    instances: Type.Array(
      Type.Object(
        { content: Type.String({ minLength: 1 }), task_type: options.taskType, title: options.title },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 250 },
    ),
    parameters: optional(
      Type.Object(
        {
          outputDimensionality: options.outputDimensionality,
          autoTruncate: embedContentConfig.properties.autoTruncate,
          normalize: embedContentConfig.properties.normalize,
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)

export const predictAnswer = Type.Object({
  predictions: Type.Array(
    Type.Object({
      embeddings: Type.Object({
        values: Type.Array(Type.Number()),
        statistics: Type.Object({ token_count: Type.Integer(), truncated: Type.Boolean() }),
      }),
    }),
  ),
  metadata: Type.Object({ billableCharacterCount: Type.Integer({ description: 'Not what is billed here: that are tokens.' }) }),
})

const details = Type.Array(Type.Object({ modality: Type.Literal('TEXT'), tokenCount: Type.Integer() }))
const embedding = Type.Object({ values: Type.Array(Type.Number()) })
const usageMetadata = Type.Object({ promptTokenCount: Type.Integer({ description: 'Tokens billed.' }), promptTokenDetails: details })

export const embedContentAnswer = Type.Object({ embedding, usageMetadata })
export const batchAnswer = Type.Object({ embeddings: Type.Array(embedding), usageMetadata })
export const countTokensAnswer = Type.Object({ totalTokens: Type.Integer(), promptTokensDetails: details })

/** Source: generativelanguage v1beta, Model. */
export const googleModel = Type.Object({
  name: Type.String({ description: 'With `models/` in front.' }),
  baseModelId: Type.String(),
  version: Type.String(),
  displayName: Type.String(),
  description: Type.String({ description: 'Also says which model makes the vectors and what their lengths are.' }),
  inputTokenLimit: Type.Integer(),
  outputTokenLimit: Type.Integer(),
  supportedGenerationMethods: Type.Array(Type.String()),
})

export const googleModels = Type.Object({
  models: Type.Array(googleModel),
  nextPageToken: Type.Optional(Type.String({ description: 'Left out on the last page.' })),
})

/** Source: google.rpc.Status. */
export const googleError = Type.Object({
  error: Type.Object({
    code: Type.Integer({ description: 'The status of HTTP.' }),
    message: Type.String(),
    status: Type.String({ description: 'Such as `INVALID_ARGUMENT`.' }),
    details: Type.Optional(Type.Array(Type.Object({ '@type': Type.String() }, { additionalProperties: true }))),
  }),
})
