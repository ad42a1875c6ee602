import { pageSizeOf, pageTokenFor, tokenOf, unknownPageToken } from './page.ts'

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

const pageSizes = { pageSizeDefault: 50, pageSizeMax: 1_000 }

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
    supportedGenerationMethods: ['embedContent', 'countTokens', 'asyncBatchEmbedContent'],
  }
}

/**
 * A page of `items`, and the token of the next; on the last page there is no token at all, because Google's client would
 * follow an empty one for ever. A token names the item its page begins with, so it stays right when others come or go.
 * @throws NearfieldError `invalid_request`
 */
export function pageOf<Item extends { readonly name: string }>(items: readonly Item[], query: Readonly<Record<string, unknown>>) {
  const from = startOf(items, tokenOf(query))
  const to = from + pageSizeOf(query, pageSizes)
  const next = items[to]
  return { items: items.slice(from, to), ...(next === undefined ? {} : { nextPageToken: pageTokenFor(next.name) }) }
}

function startOf(items: readonly { readonly name: string }[], first: string | undefined): number {
  if (first === undefined) return 0
  const index = items.findIndex(({ name }) => name === first)
  if (index >= 0) return index
  throw unknownPageToken()
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
