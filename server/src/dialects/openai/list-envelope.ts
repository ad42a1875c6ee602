import { type TSchema, Type } from 'typebox'
import { NearfieldError } from '../../errors.ts'
import type { Page, PageWish } from '../../page.ts'

const nullableText = Type.Union([Type.String(), Type.Null()])

/** Source: OpenAI's OpenAPI document, ListFilesResponse and ListBatchesResponse. */
export const listOf = <Schema extends TSchema>(entry: Schema) =>
  Type.Object({
    object: Type.Literal('list'),
    data: Type.Array(entry),
    first_id: nullableText,
    last_id: nullableText,
    has_more: Type.Boolean(),
  })

/** `{"object":"list","data","first_id","last_id","has_more"}`; `after` of the next page is `last_id`. */
export function encodeList<Entry extends { readonly id: string }, Wire>({ entries, more }: Page<Entry>, encode: (entry: Entry) => Wire) {
  return {
    object: 'list',
    data: entries.map(encode),
    first_id: entries[0]?.id ?? null,
    last_id: entries.at(-1)?.id ?? null,
    has_more: more,
  }
}

export interface PageLimits {
  readonly limitMax: number
  readonly limitDefault: number
  /** What an id of an entry looks like. */
  readonly id: RegExp
}

/** Parameters of an address, which are texts whatever they mean. */
export interface PageQuery {
  readonly limit?: string
  readonly after?: string
  readonly order?: string
}

/** @throws NearfieldError `invalid_request` */
export function decodePage({ limit, after, order }: PageQuery, { limitMax, limitDefault, id }: PageLimits): PageWish {
  const wanted = limit === undefined ? limitDefault : Number(limit)
  if (limit !== undefined && (!/^\d{1,9}$/.test(limit) || wanted < 1 || wanted > limitMax))
    throw invalid('limit', `\`limit\` must be a whole number from 1 to ${limitMax}.`)
  if (after !== undefined && !id.test(after))
    throw invalid('after', '`after` must be an id that the list gave, such as the `last_id` of the page before.')
  if (order !== undefined && order !== 'asc' && order !== 'desc') throw invalid('order', '`order` must be asc or desc.')
  return { limit: wanted, after, order: order ?? 'desc' }
}

function invalid(field: string, message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field } })
}
