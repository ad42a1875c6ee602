import type { PlanLimits } from './principal.ts'

/** How often an account may call. Free and pro hold the requests per minute of the Segmind plans of those names. */
export const plans = {
  free: { requestsPerMinute: 5, tokensPerMinute: 250_000 },
  pro: { requestsPerMinute: 50, tokensPerMinute: 5_000_000 },
  unlimited: { requestsPerMinute: null, tokensPerMinute: null },
} as const satisfies Record<string, PlanLimits>

export type PlanName = keyof typeof plans

export const planNames: readonly PlanName[] = ['free', 'pro', 'unlimited']

export function isPlanName(text: string): text is PlanName {
  return Object.hasOwn(plans, text)
}
