/** Which part of a list is wanted. Ids sort by the time they were made. */
export interface PageWish {
  /** At most so many. */
  readonly limit: number
  /** Id of the last entry of the page before; it need not exist any more. */
  readonly after?: string | undefined
  /** `desc` has the newest first. */
  readonly order: 'asc' | 'desc'
}

export interface Page<Entry> {
  readonly entries: readonly Entry[]
  /** Whether there are more behind them. */
  readonly more: boolean
}

/** @param rows what was found, one more than wanted where there are more */
export function pageOf<Row, Entry>(rows: readonly Row[], { limit }: Pick<PageWish, 'limit'>, entryOf: (row: Row) => Entry): Page<Entry> {
  return { entries: rows.slice(0, limit).map(entryOf), more: rows.length > limit }
}
