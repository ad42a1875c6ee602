import { int32, violation } from './proto-json.ts'

/** What a list of models tells of one. */
export interface ListedModel {
  readonly name: string
  /** The model that makes the vectors, which may stand in for the one named. */
  readonly servedBy: string
  readonly standIn: boolean
  readonly description: string
  readonly inputTokensMax: number
  /** Length of the vectors before they are shortened or padded. */
  readonly dimensions: number
}

const pageSizeDefault = 50
const pageSizeMax = 1_000

/** The resource of a model. Methods are those of Google's that are served. Source: generativelanguage v1beta, Model. */
export function encodeModel(model: ListedModel, { unitLength }: { readonly unitLength: boolean }) {
  const { name, servedBy, standIn, description, inputTokensMax, dimensions } = model
  const sentences = [
    standIn ? `Vectors are made by ${servedBy}, which stands in for ${name}.` : '',
    description,
    `A vector of ${dimensions} dimensions or more is of unit length; a shorter one is ${unitLength ? 'too' : 'the first numbers of it, not scaled again'}.`,
  ]
  return {
    name: `models/${name}`,
    baseModelId: name,
    version: /-(\d{3})$/.exec(name)?.[1] ?? '1',
    displayName: name.split('-').map(capitalised).join(' '),
    description: sentences.filter((sentence) => sentence !== '').join(' '),
    inputTokenLimit: inputTokensMax,
    outputTokenLimit: 1,
    supportedGenerationMethods: ['embedContent', 'countTokens'],
  }
}

/**
 * A page of `items`, and the token of the next; on the last page there is no token at all, because Google's client would
 * follow an empty one for ever. A token names the item its page begins with, so it stays right when others come or go.
 * @throws NearfieldError `invalid_request`
 */
export function pageOf<Item extends { readonly name: string }>(items: readonly Item[], query: Readonly<Record<string, unknown>>) {
  const asked = query.pageSize ?? query.page_size
  const size = asked === undefined || asked === '' ? 0 : int32(asked, { name: 'page_size', path: '' })
  if (size < 0) throw violation('page_size', 'page_size must not be negative.')
  const from = startOf(items, query.pageToken ?? query.page_token)
  const to = from + Math.min(size === 0 ? pageSizeDefault : size, pageSizeMax)
  const next = items[to]
  return { items: items.slice(from, to), ...(next === undefined ? {} : { nextPageToken: Buffer.from(next.name).toString('base64url') }) }
}

function startOf(items: readonly { readonly name: string }[], token: unknown): number {
  if (token === undefined || token === '') return 0
  const first = Buffer.from(String(token), 'base64url').toString()
  const index = items.findIndex(({ name }) => name === first)
  if (index >= 0) return index
  throw violation('page_token', 'page_token is none that this list gave. Ask for the first page again.')
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
