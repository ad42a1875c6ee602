import { type Static, Type } from 'typebox'
import { outputTypes, taskTypes } from '../../embedding/request.ts'

/** One text, or our additive list of texts. */
const texts = (description: string) =>
  Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], { description }))

const withoutEffect = 'Accepted and checked, but without effect on an embedding; the reply names it in `warnings`.'

/** The parameters of the image template on the model page. They mean nothing to an embedding. Source: docs/guides/segmind-dialect.md. */
const templateProperties = {
  negative_prompt: Type.Optional(Type.String({ description: withoutEffect })),
  width: Type.Optional(Type.Integer({ minimum: 256, maximum: 1024, description: withoutEffect })),
  height: Type.Optional(Type.Integer({ minimum: 256, maximum: 1024, description: withoutEffect })),
  steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: withoutEffect })),
  guidance_scale: Type.Optional(Type.Number({ minimum: 1, maximum: 20, description: withoutEffect })),
  scheduler: Type.Optional(
    Type.Enum(['DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep', 'EulerAncestralDiscrete'], { description: withoutEffect }),
  ),
  seed: Type.Optional(Type.Integer({ minimum: -1, maximum: 2_147_483_647, description: withoutEffect })),
}

export const templateParameters = Object.keys(templateProperties) as readonly (keyof typeof templateProperties)[]

/**
 * Body of `POST /v1/{slug}`. Segmind's model page documents `input`, `output_dimensionality` and `task_type`; an older
 * copy documents the image template with `prompt`. The list form of `input`, `output_dtype`, `encoding_format` and `truncate` are ours.
 */
export const embedBody = Type.Object(
  {
    input: texts('The text to embed, or a list of texts: one vector each, in order.'),
    prompt: texts('Another name of `input`. Send one of the two.'),
    task_type: Type.Optional(Type.Enum([...taskTypes], { default: 'TASK_TYPE_UNSPECIFIED', description: 'What the vectors are for.' })),
    output_dimensionality: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_536, description: "Length of each vector. Leave it out for the model's default." }),
    ),
    output_dtype: Type.Optional(
      Type.Enum([...outputTypes], {
        default: 'float',
        description:
          'The numbers of the vectors. `int8` is x * 127, `uint8` that plus 128; `binary` and `ubinary` hold eight signs a byte and need a multiple of eight dimensions.',
      }),
    ),
    encoding_format: Type.Optional(
      Type.Enum(['float', 'base64'], {
        default: 'float',
        description: '`base64`: `values` is one string, the base64 of the numbers as bytes; float32 is little-endian.',
      }),
    ),
    truncate: Type.Optional(
      Type.Enum(['end', 'error'], {
        default: 'end',
        description:
          'What becomes of a text longer than the model reads: `end` shortens it there and says so, `error` refuses the request.',
      }),
    ),
    ...templateProperties,
  },
  { additionalProperties: false },
)

export type EmbedBody = Static<typeof embedBody>

/** Google's names. Source: generativelanguage v1beta, UsageMetadata. */
const usageMetadata = Type.Object({
  promptTokenCount: Type.Integer({ description: 'Tokens billed.' }),
  cachedContentTokenCount: Type.Integer({ description: 'How many of them are of texts whose vectors were cached. They cost a tenth.' }),
})
const contentEmbedding = Type.Object({
  values: Type.Union([Type.Array(Type.Number()), Type.String({ description: 'Base64, where `encoding_format` asked for it.' })]),
})

const aboutTheAnswer = {
  usageMetadata,
  model: Type.String({ description: 'The model that made the vectors. It may stand in for the one asked for.' }),
  space: Type.String({ description: 'Names the vector space. Vectors of two spaces must not be compared.' }),
  output_dtype: Type.Optional(Type.Enum(outputTypes.slice(1), { description: 'The numbers of the vectors, where they are not float.' })),
  reading: Type.Optional(Type.String({ description: 'How to read such numbers.' })),
  encoding_format: Type.Optional(Type.Literal('base64')),
  truncated: Type.Boolean({ description: 'Whether any text was shortened.' }),
  warnings: Type.Array(Type.String()),
}

/** Reply to one string. Segmind publishes no reply body for this model; the shape is Google's, plus ours about the answer. */
export const oneEmbedding = Type.Object({ embedding: contentEmbedding, ...aboutTheAnswer })

/** Reply to a list of strings. */
export const manyEmbeddings = Type.Object({
  embeddings: Type.Array(contentEmbedding),
  ...aboutTheAnswer,
  truncatedInputs: Type.Array(Type.Integer(), { description: 'Positions in `input` of the texts that were shortened.' }),
})

/** Balance in dollars. The hyphen is Segmind's. */
export const userCredits = Type.Object({ credits: Type.Number(), 'free-credits': Type.Number() })

export const errorEnvelope = Type.Object({ error: Type.String() })
