import { type Static, Type } from 'typebox'
import { taskTypes } from '../../embedding/request.ts'

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
 * copy documents the image template with `prompt`. The list form of `input` and `truncate` are ours.
 */
export const embedBody = Type.Object(
  {
    input: texts('The text to embed, or a list of texts: one vector each, in order.'),
    prompt: texts('Another name of `input`. Send one of the two.'),
    task_type: Type.Optional(Type.Enum([...taskTypes], { default: 'TASK_TYPE_UNSPECIFIED', description: 'What the vectors are for.' })),
    output_dimensionality: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_536, description: "Length of each vector. Leave it out for the model's default." }),
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

const usageMetadata = Type.Object({ promptTokenCount: Type.Integer({ description: 'Tokens billed.' }) })
const contentEmbedding = Type.Object({ values: Type.Array(Type.Number()) })

const aboutTheAnswer = {
  usageMetadata,
  model: Type.String({ description: 'The model that made the vectors. It may stand in for the one asked for.' }),
  space: Type.String({ description: 'Names the vector space. Vectors of two spaces must not be compared.' }),
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
