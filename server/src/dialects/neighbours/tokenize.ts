import { type Static, Type } from 'typebox'
import type { EmbedRequest, InputReport } from '../../embedding/request.ts'
import { utcSecond } from '../accounting.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'
import { modelField, taskTypeField, text, tooMany } from './fields.ts'

/** Body of `POST /v1/tokenize`. */
export const tokenizeBody = Type.Object(
  {
    model: modelField,
    input: Type.Union([text, Type.Array(text, { minItems: 1 })], { description: 'A text, or a list of texts.' }),
    task_type: taskTypeField('None'),
    add_special_tokens: Type.Optional(
      Type.Boolean({ default: true, description: 'Whether `token_ids` hold what the model wants around every text, such as [CLS].' }),
    ),
  },
  { additionalProperties: false },
)

export type TokenizeBody = Static<typeof tokenizeBody>

export const tokenizeAnswer = Type.Object({
  model: Type.String({ description: 'The model whose tokens these are.' }),
  results: Type.Array(
    Type.Object({
      token_ids: Type.Array(Type.Integer(), { description: 'What would go into the vector, a prompt of the task type included.' }),
      tokens: Type.Integer({
        description:
          'Tokens of the whole text, special ones included. Counted up to four times what the model accepts; more are not counted.',
      }),
      tokens_used: Type.Integer({ description: 'Tokens that would go into the vector and be billed, special ones included.' }),
      truncated: Type.Boolean({ description: 'Whether the text would be shortened.' }),
      windows: Type.Integer({ description: 'In how many windows it would be read.' }),
    }),
    { description: 'One for every text, in order.' },
  ),
  tokens_used: Type.Integer({ description: 'Over all texts: what embedding them would be billed for.' }),
  warnings: Type.Array(Type.String()),
})

export interface TokenizeCall extends Omit<EmbedRequest, 'deployment' | 'dimensions'> {
  readonly deployment: string | undefined
  readonly addSpecialTokens: boolean
}

/** @throws NearfieldError `invalid_request` when there are too many texts */
export function decodeTokenize(body: TokenizeBody, { inputsMax }: { readonly inputsMax: number }): TokenizeCall {
  const inputs = typeof body.input === 'string' ? [body.input] : body.input
  if (inputs.length > inputsMax) throw tooMany('input', inputs.length, inputsMax, 'texts')
  return {
    deployment: body.model,
    inputs,
    taskType: body.task_type ?? 'TASK_TYPE_UNSPECIFIED',
    outputType: 'float',
    truncate: 'end',
    addSpecialTokens: body.add_special_tokens ?? true,
  }
}

export interface TokenizedTexts {
  readonly model: string
  readonly inputs: readonly { readonly ids: readonly number[]; readonly report: InputReport }[]
  readonly notes: readonly string[]
  readonly rateLimit: { readonly resetAtMs: number }
}

export function encodeTokenize({ model, inputs, notes, rateLimit }: TokenizedTexts): WireReply {
  const results = inputs.map(({ ids, report: { tokensSeen, tokensUsed, truncated, windows } }) => ({
    token_ids: ids,
    tokens: tokensSeen,
    tokens_used: tokensUsed,
    truncated,
    windows,
  }))
  const used = inputs.reduce((sum, { report }) => sum + report.tokensUsed, 0)
  return jsonReply({ model, results, tokens_used: used, warnings: notes }, { 'x-rate-limit-reset-at-utc': utcSecond(rateLimit.resetAtMs) })
}
