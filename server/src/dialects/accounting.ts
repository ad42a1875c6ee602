import { formatDollars } from '../money.ts'
import type { EmbedAnswer } from './dialect.ts'

/** Segmind's accounting of a billed call. Amounts in dollars, times in seconds. Source: docs/guides/segmind-dialect.md. */
export function accountingHeaders(answer: Pick<EmbedAnswer, 'cost' | 'remaining' | 'totalMs' | 'resetAtMs'>): Record<string, string> {
  return {
    'x-cost': formatDollars(answer.cost),
    'x-remaining-credits': formatDollars(answer.remaining),
    'x-generation-time': (answer.totalMs / 1_000).toFixed(6),
    'x-rate-limit-reset-at-utc': utcSecond(answer.resetAtMs),
  }
}

/** Such as `2026-11-22T18:33:00Z`. Segmind documents the header, not its format. */
export function utcSecond(atMs: number): string {
  return `${new Date(Math.ceil(atMs / 1_000) * 1_000).toISOString().slice(0, 19)}Z`
}
