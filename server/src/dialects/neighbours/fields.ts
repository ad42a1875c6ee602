import { Type } from 'typebox'
import { taskTypes } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import type { EmbedAnswer } from '../dialect.ts'

/** Fields that several of these calls have. */
export const text = Type.String({ minLength: 1 })

export const modelField = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 128,
    description: "A model name, such as `gemini-embedding-001`. Leave it out for the server's first.",
  }),
)

export const taskTypeField = (without: string) =>
  Type.Optional(Type.Enum([...taskTypes], { description: `What the vectors are for. ${without} when left out.` }))

export const dimensionsField = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 65_536, description: 'Compare vectors cut to this length. Leave it out for all the model makes.' }),
)

export const truncateField = Type.Optional(
  Type.Enum(['end', 'error'], {
    default: 'end',
    description: 'What becomes of a text longer than the model reads: `end` shortens it there and says so, `error` refuses the request.',
  }),
)

/** Tokens of a billed call. The names are those of Jina and OpenAI. */
export const usage = Type.Object({
  prompt_tokens: Type.Integer(),
  total_tokens: Type.Integer({ description: 'Tokens billed: those of every distinct text, once.' }),
  cached_tokens: Type.Integer({ description: 'How many of them are of texts whose vectors were cached.' }),
  texts: Type.Integer({ description: 'Distinct texts, which are what was embedded.' }),
})

export const aboutTheAnswer = {
  model: Type.String({ description: 'The model that made the vectors. It may stand in for the one asked for.' }),
  space: Type.String({ description: 'Names the vector space.' }),
  usage,
  truncated: Type.Array(Type.String(), { description: 'Where the texts stand that were shortened.' }),
  warnings: Type.Array(Type.String()),
}

/** What every billed answer says about itself. */
export function about(answer: EmbedAnswer, truncated: readonly string[]) {
  const { tokens, cachedTokens, reports, model, space, notes } = answer
  return {
    model,
    space,
    usage: { prompt_tokens: tokens, total_tokens: tokens, cached_tokens: cachedTokens, texts: reports.length },
    truncated,
    warnings: notes,
  }
}

export function tooMany(field: string, count: number, most: number, what: string): NearfieldError {
  return new NearfieldError('invalid_request', `\`${field}\` holds ${count} ${what}; at most ${most} fit one request. Split the list.`)
}
