/** What a key may be used for. `embed` calls models, `metrics` reads the figures for Prometheus, `admin` manages and may read them too. */
export const scopes = ['embed', 'admin', 'metrics'] as const
export type Scope = (typeof scopes)[number]

/** Bounds per minute that a plan sets; `null` is unlimited. */
export interface PlanLimits {
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
}

/** Who is calling: an account, through one of its keys. */
export interface Principal {
  readonly accountId: string
  /** Handle of the key, `key_…`; never the secret. */
  readonly keyId: string
  readonly scopes: readonly Scope[]
  readonly plan: string
  readonly limits: PlanLimits
}
