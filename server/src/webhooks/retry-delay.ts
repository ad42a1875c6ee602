import type { WebhookSettings } from '../webhook-settings.ts'

type Limits = Pick<WebhookSettings, 'scheduleMs' | 'jitterPercentMax' | 'retryAfterMsMax'>

/** What the endpoint asked for, and where chance has its say. */
interface Circumstances {
  /** `Retry-After` as it was sent. */
  readonly retryAfter: string | undefined
  readonly nowMs: number
  /** From 0 to 1. */
  readonly random: number
}

/**
 * How long to wait before the next attempt, milliseconds: as the schedule says and a little more, or as long as the endpoint asks if that is
 * longer. `undefined` when the schedule is at its end. Source: Standard Webhooks, retry schedule.
 */
export function retryDelay(attemptsMade: number, limits: Limits, { retryAfter, nowMs, random }: Circumstances): number | undefined {
  const scheduledMs = limits.scheduleMs[attemptsMade]
  if (scheduledMs === undefined) return undefined
  const jitterMs = scheduledMs * (limits.jitterPercentMax / 100) * random
  return Math.round(Math.max(scheduledMs + jitterMs, retryAfterMs(retryAfter, nowMs, limits.retryAfterMsMax) ?? 0))
}

/** Milliseconds that a `Retry-After` asks for, within bounds; `undefined` when it says nothing that can be read. Source: RFC 9110, 10.2.3. */
export function retryAfterMs(text: string | undefined, nowMs: number, mostMs: number): number | undefined {
  if (text === undefined) return undefined
  const waitMs = /^\s*\d{1,10}\s*$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isFinite(waitMs) ? Math.min(Math.max(0, waitMs), mostMs) : undefined
}
