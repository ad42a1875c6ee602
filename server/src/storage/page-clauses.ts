import { asc, desc, gt, lt, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { PageWish } from '../page.ts'

/** What a list's statement says to find one page by its ids, and one row more where there are more. */
export interface PageClauses {
  /** `undefined` on the first page. */
  readonly behind: SQL | undefined
  readonly sorted: SQL
  readonly rowsMax: number
}

export function pageClauses(id: PgColumn, { limit, after, order }: PageWish): PageClauses {
  const [behind, sorted] = order === 'asc' ? [gt, asc] : [lt, desc]
  return { behind: after === undefined ? undefined : behind(id, after), sorted: sorted(id), rowsMax: limit + 1 }
}
