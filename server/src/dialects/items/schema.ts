import { type Static, Type } from 'typebox'
import { outputTypes, taskTypes } from '../../embedding/request.ts'
import { optional } from '../optional-field.ts'

const taskType = optional(Type.Enum([...taskTypes], { description: 'What the vector is for.' }))
const dimensions = optional(
  Type.Integer({ minimum: 1, maximum: 65_536, description: "Length of the vector. Leave it out for the model's default." }),
)
const truncate = optional(
  Type.Enum(['end', 'error'], {
    description: 'What becomes of a text longer than the model reads: `end`, as when left out, shortens it and says so; `error` fails it.',
  }),
)

/** Body of `POST /v1/embed`. Emptiness of a text is not checked here: it is a fault of the item, not of the request. */
export const itemsBody = Type.Object(
  {
    model: optional(Type.String({ minLength: 1, maxLength: 128, description: "A model name. Leave it out for the server's first." })),
    items: Type.Array(
      Type.Object(
        {
          id: optional(Type.String({ maxLength: 512, description: 'Your own name of the item; the answer repeats it.' })),
          text: optional(Type.String({ description: 'The text to embed.' })),
          content: optional(Type.String({ description: 'Another name of `text`. Send one of the two.' })),
          task_type: taskType,
          title: optional(Type.String({ description: 'Title of a document; read by models that were trained with titles.' })),
          dimensions,
          truncate,
        },
        { additionalProperties: false },
      ),
      { minItems: 1, description: 'The texts, each with what is its own.' },
    ),
    task_type: taskType,
    dimensions,
    truncate,
    output_dtype: optional(Type.Enum([...outputTypes], { description: 'The numbers of the vectors, of all of them alike.' })),
    encoding_format: optional(Type.Enum(['float', 'base64'], { description: '`base64`: the numbers as bytes; float32 is little-endian.' })),
  },
  { additionalProperties: false, description: '`task_type`, `dimensions` and `truncate` are for the items that say nothing else.' },
)

export type ItemsBody = Static<typeof itemsBody>

/** Source: RFC 9457. */
const problemMembers = {
  type: Type.String({ description: 'A URI that stands for the kind of error.' }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: 'What was wrong, where, and what is allowed.' }),
  code: Type.String({ description: 'The same as `type`, for programs, such as `input_too_long`.' }),
  retryable: Type.Boolean({ description: 'Whether the same request can succeed later.' }),
  field: Type.Optional(Type.String()),
}

const place = {
  index: Type.Integer({ description: 'Position in `items`.' }),
  id: Type.Optional(Type.String()),
}

const delivered = Type.Object({
  ...place,
  status: Type.Literal(200),
  embedding: Type.Union([Type.Array(Type.Number()), Type.String({ description: 'Base64, where `encoding_format` asked for it.' })]),
  dimensions: Type.Integer(),
  space: Type.String({ description: 'Names the vector space. Vectors of two spaces must not be compared.' }),
  tokens: Type.Integer({ description: 'Tokens billed.' }),
  truncated: Type.Boolean({ description: 'Whether the text was shortened.' }),
})

const failed = Type.Object({ ...place, status: Type.Integer(), error: Type.Object(problemMembers) })

export const itemsAnswer = Type.Object({
  model: Type.String({ description: 'The model that made the vectors. It may stand in for the one asked for.' }),
  items: Type.Array(Type.Union([delivered, failed]), { description: 'One for every item, in order.' }),
  usage: Type.Object({
    tokens: Type.Integer({ description: 'Tokens billed: those of the delivered items.' }),
    cached_tokens: Type.Integer({ description: 'How many of them are of texts whose vectors were cached.' }),
    delivered: Type.Integer(),
    failed: Type.Integer(),
  }),
  warnings: Type.Array(Type.String()),
})

export const problem = Type.Object({
  ...problemMembers,
  items: Type.Optional(Type.Array(failed, { description: 'Where no item could be embedded: what was wrong with each.' })),
})
