import type { Page, PageWish } from '../../page.ts'
import { int32, violation } from './proto-json.ts'

export interface PageSizes {
  readonly pageSizeDefault: number
  readonly pageSizeMax: number
}

type Query = Readonly<Record<string, unknown>>

/** How many entries a page is to have: more than allowed is as many as are. @throws NearfieldError `invalid_request` */
export function pageSizeOf(query: Query, { pageSizeDefault, pageSizeMax }: PageSizes): number {
  const asked = query.pageSize ?? query.page_size
  const size = asked === undefined || asked === '' ? 0 : int32(asked, { name: 'page_size', path: '' })
  if (size < 0) throw violation('page_size', 'page_size must not be negative.')
  return Math.min(size === 0 ? pageSizeDefault : size, pageSizeMax)
}

/** Which entry a page token names; `undefined` on the first page. */
export function tokenOf(query: Query): string | undefined {
  const token = query.pageToken ?? query.page_token
  return token === undefined || token === '' ? undefined : Buffer.from(String(token), 'base64url').toString()
}

export function pageTokenFor(name: string): string {
  return Buffer.from(name).toString('base64url')
}

export function unknownPageToken() {
  return violation('page_token', 'page_token is none that this list gave. Ask for the first page again.')
}

/** The newest first. What else a query says is not read. @throws NearfieldError `invalid_request` */
export function decodePage(query: Query, sizes: PageSizes, ids: RegExp): PageWish {
  const after = tokenOf(query)
  if (after !== undefined && !ids.test(after)) throw unknownPageToken()
  return { limit: pageSizeOf(query, sizes), after, order: 'desc' }
}

/** On the last page there is no token at all, because Google's client would follow an empty one for ever. */
export function nextPage({ entries, more }: Page<{ readonly id: string }>): { nextPageToken?: string } {
  const last = entries.at(-1)
  return more && last !== undefined ? { nextPageToken: pageTokenFor(last.id) } : {}
}
