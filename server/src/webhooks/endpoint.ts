import type { JobEventType } from '../jobs/events.ts'
import type { Page, PageWish } from '../page.ts'

/**
 * Where an account is told of what happened to its jobs.
 *
 *     enabled --410, or nothing but failures for days, or its owner--> disabled --its owner--> enabled
 *
 * A disabled one is sent nothing, and what would have been sent to it is failed at once.
 */
export interface WebhookEndpoint {
  /** `we_…` */
  readonly id: string
  readonly accountId: string
  readonly name: string
  readonly url: string
  readonly events: readonly JobEventType[]
  /** The end of its secret, enough to tell two apart. */
  readonly secretHint: string
  readonly createdAtMs: number
  /** Since when every attempt failed; `undefined` when the last one did not. */
  readonly failingSinceMs: number | undefined
  readonly disabledAtMs: number | undefined
  /** Why, in a sentence, where its owner did not do it. */
  readonly disabledReason: string | undefined
}

/** As it is shown once: when it is made, and when its secret is replaced. */
export interface EndpointWithSecret extends WebhookEndpoint {
  /** `whsec_…` */
  readonly secret: string
}

export interface NewEndpoint {
  readonly name: string
  readonly url: string
  readonly events: readonly JobEventType[]
}

/** What its owner wants to be otherwise; the rest stays. */
export interface EndpointChange {
  readonly name?: string | undefined
  readonly url?: string | undefined
  readonly events?: readonly JobEventType[] | undefined
  readonly enabled?: boolean | undefined
}

export type DeliveryState = 'pending' | 'delivered' | 'failed'

/** One event on its way to one endpoint. */
export interface WebhookDelivery {
  readonly eventId: string
  readonly endpointId: string
  readonly state: DeliveryState
  /** Attempts made. */
  readonly attempts: number
  /** Status of the last answer; `undefined` when there was none. */
  readonly lastStatus: number | undefined
  /** Why the last attempt failed, in a word. */
  readonly lastError: string | undefined
  readonly createdAtMs: number
  readonly lastAttemptAtMs: number | undefined
  /** `undefined` when there will be none. */
  readonly nextAttemptAtMs: number | undefined
}

/** Endpoints by account: that of another is as little there as one that never was. Any of these may throw NearfieldError `unavailable`. */
export interface WebhookEndpoints {
  /** @throws NearfieldError `invalid_request` naming the field, `state_conflict` when the account has as many as it may */
  create(accountId: string, endpoint: NewEndpoint): Promise<EndpointWithSecret>
  list(accountId: string, wish: PageWish): Promise<Page<WebhookEndpoint>>
  /** @throws NearfieldError `not_found` */
  find(accountId: string, endpointId: string): Promise<WebhookEndpoint>
  /** Another address, and being enabled again, forget the failures before. @throws NearfieldError `not_found`, `invalid_request` */
  update(accountId: string, endpointId: string, change: EndpointChange): Promise<WebhookEndpoint>
  /** With its deliveries; what is under way may still arrive. @throws NearfieldError `not_found` */
  delete(accountId: string, endpointId: string): Promise<void>
  /**
   * Gives it a new secret. With `keepOld` the one before signs along for a day, so that its receiver can change over in between;
   * of more than one replaced within that day the last one does.
   * @throws NearfieldError `not_found`
   */
  rotateSecret(accountId: string, endpointId: string, options: { readonly keepOld: boolean }): Promise<EndpointWithSecret>
  /** What became of the events it was told of, newest first. @throws NearfieldError `not_found` */
  deliveries(accountId: string, endpointId: string, wish: Omit<PageWish, 'order'>): Promise<Page<WebhookDelivery>>
  /**
   * Sends an event that did not happen, once and now, also to a disabled endpoint.
   * @returns the status of its answer
   * @throws NearfieldError `not_found`, `state_conflict` saying in a word why there was no answer; an aborted signal rejects with its reason
   */
  test(accountId: string, endpointId: string, type: JobEventType, signal: AbortSignal): Promise<number>
}
