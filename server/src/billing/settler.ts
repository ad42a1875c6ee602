import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { NearfieldError } from '../errors.ts'
import { formatDollars, type NanoDollars } from '../money.ts'
import type { Clock } from '../time.ts'
import { AccountCredit } from './account-credit.ts'
import type { ChargedAccount } from './charge-statement.ts'
import type { Receipt } from './reservation.ts'
import type { SettledAccount } from './settle-statement.ts'
import type { AccountCharge, BillingStore, Draw } from './store.ts'

/** A charge on its way into the ledger. */
export interface PendingCharge {
  readonly charge: AccountCharge
  /** Nobody waits for it any more: it must not stand. */
  abandoned: boolean
  /** Without a receipt when it was not charged, because its key stands for the charge of another request. */
  readonly resolve: (receipt: Receipt | undefined) => void
  readonly reject: (error: unknown) => void
}

/** At least; at most twice that, so that two processes do not keep asking at the same moments. */
const reclaimAfterMs = 25
const contentionCheckMs = 250
const reverseEveryMs = 1_000
const retryAfterMs = 100

/**
 * Commits charges and keeps this process's leases, one statement at a time: while it runs, the next group forms.
 *
 *     idle --charge, or a reservation that does not fit--> gathering --> settling --> gathering (if there is more) or idle
 *
 * Gathering ends when a third of the requests under way have come, when a reservation waits, or after `commitGatherMs`.
 * A settle without an answer is repeated: a request id is charged once however often it is sent. When all attempts
 * fail, the charges are refused and put on the list of doubtful ones, which are reversed as soon as the database is back.
 */
export class Settler implements AsyncDisposable {
  readonly #store: BillingStore
  readonly #limits: Config['billing']
  readonly #clock: Clock
  /** Other processes may hold leases too. */
  readonly #shared: boolean
  readonly #accounts = new Map<string, AccountCredit>()
  readonly #dirty = new Set<AccountCredit>()
  readonly #timers: NodeJS.Timeout[]
  #queue: PendingCharge[] = []
  #doubtful: AccountCharge[] = []
  /** Reservations granted, neither posted nor voided. */
  #running = 0
  #waiting = 0
  #work: Promise<void> | undefined
  #wake: (() => void) | undefined
  #closing = false

  constructor(store: BillingStore, limits: Config['billing'], clock: Clock, shared: boolean) {
    this.#store = store
    this.#limits = limits
    this.#clock = clock
    this.#shared = shared
    this.#timers = [
      setInterval(() => this.#renew(), limits.leaseTimeoutMs / 3),
      setInterval(() => void this.reverseDoubtful(), reverseEveryMs),
    ]
    if (shared) {
      this.#timers.push(setInterval(() => void this.#checkContention(), contentionCheckMs))
      this.#timers.push(setInterval(() => void this.#store.voidLeases('expired').catch(() => undefined), limits.leaseTimeoutMs / 2))
    }
    for (const timer of this.#timers) timer.unref()
  }

  /** @throws NearfieldError `insufficient_credits`, `overloaded`, `unavailable` */
  async reserve(accountId: string, cost: NanoDollars): Promise<void> {
    this.#store.assertRoom()
    if (this.#closing) throw new NearfieldError('unavailable', 'The server is stopping. Try again shortly.')
    if (this.#running + this.#waiting + this.#queue.length >= this.#limits.pendingMax) throw new NearfieldError('overloaded')
    const account = this.#account(accountId)
    account.noteCost(cost)
    if (!account.reserve(cost, this.#clock.monotonicMs())) await this.#waitForCredit(account, cost)
    this.#running++
  }

  void(accountId: string, cost: NanoDollars): void {
    this.#running--
    this.#free(this.#account(accountId), cost)
    this.#wakeWhenGathered()
  }

  post(charge: AccountCharge): { pending: PendingCharge; receipt: Promise<Receipt | undefined> } {
    this.#running--
    const { promise, resolve, reject } = Promise.withResolvers<Receipt | undefined>()
    const pending: PendingCharge = { charge, abandoned: false, resolve, reject }
    this.#queue.push(pending)
    this.#start()
    this.#wakeWhenGathered()
    return { pending, receipt: promise }
  }

  /** Makes sure that a charge nobody waits for any more does not stand. */
  abandon(pending: PendingCharge): void {
    pending.abandoned = true
    const position = this.#queue.indexOf(pending)
    if (position < 0) return
    this.#queue.splice(position, 1)
    this.#free(this.#account(pending.charge.accountId), pending.charge.cost)
    pending.reject(new NearfieldError('deadline_exceeded'))
  }

  /** Commits what is queued, gives all leases back, stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#wake?.()
    await this.#work
    await this.reverseDoubtful()
    for (const account of this.#accounts.values()) this.#dirty.add(account)
    this.#start()
    await this.#work
  }

  async reverseDoubtful(): Promise<void> {
    const doubtful = this.#doubtful.splice(0, this.#limits.commitEntriesMax)
    if (doubtful.length === 0) return
    await this.#store.reverse(doubtful).catch(() => this.#doubtful.push(...doubtful))
  }

  #account(accountId: string): AccountCredit {
    const known = this.#accounts.get(accountId)
    if (known !== undefined) return known
    const account = new AccountCredit(accountId, this.#clock.monotonicMs())
    this.#accounts.set(accountId, account)
    return account
  }

  async #waitForCredit(account: AccountCredit, cost: NanoDollars): Promise<void> {
    const { promise, resolve: grant, reject: refuse } = Promise.withResolvers<void>()
    const patientUntilMs = this.#clock.monotonicMs() + this.#limits.reclaimTimeoutMs
    account.waiting.push({ cost, patientUntilMs, asked: false, grant, refuse })
    this.#waiting++
    this.#review(account)
    try {
      await promise
    } finally {
      this.#waiting--
    }
  }

  /** Puts an account into the next settle. */
  #review(account: AccountCredit): void {
    this.#dirty.add(account)
    this.#start()
    this.#wake?.()
  }

  #free(account: AccountCredit, cost: NanoDollars): void {
    account.reserved -= cost
    account.serveWaiting()
    if (account.contended) this.#review(account)
  }

  #start(): void {
    this.#work ??= this.#settleAll().finally(() => {
      this.#work = undefined
    })
  }

  async #settleAll(): Promise<void> {
    while (this.#queue.length > 0 || this.#dirty.size > 0) {
      if (!this.#gathered()) await this.#gather()
      const charges = this.#queue.splice(0, this.#limits.commitEntriesMax)
      const accounts = new Set(charges.map(({ charge }) => this.#account(charge.accountId)))
      if (this.#dirty.size === 0 && (await this.#charge(charges, accounts))) continue
      for (const account of this.#dirty) if (accounts.size < this.#limits.commitEntriesMax) accounts.add(account)
      for (const account of accounts) this.#dirty.delete(account)
      await this.#settle(charges, accounts)
    }
  }

  /**
   * True when a group is worth its statement: a third of all requests under way have come, or somebody waits for credit.
   * With few requests under way that is the first one: nobody waits for company that would save little.
   */
  #gathered(): boolean {
    const worthwhile = Math.min(Math.floor((this.#running + this.#queue.length) / 3), this.#limits.commitEntriesMax)
    return this.#closing || this.#dirty.size > 0 || this.#queue.length >= worthwhile
  }

  async #gather(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#limits.commitGatherMs)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
    this.#wake = undefined
  }

  #wakeWhenGathered(): void {
    if (this.#wake !== undefined && this.#gathered()) this.#wake()
  }

  /**
   * The short way, for a group of one account whose lease may stay as it is. False when that is not so, or when it did not
   * work out: then the group is settled, which repeats safely whatever was already charged.
   */
  async #charge(charges: readonly PendingCharge[], accounts: ReadonlySet<AccountCredit>): Promise<boolean> {
    const [account, another] = accounts
    if (account === undefined || another !== undefined) return false
    const cost = sumOfCosts(charges, account)
    if (this.#closing || !account.suffices(cost, this.#clock.monotonicMs())) return false
    const entries = charges.map((pending) => pending.charge)
    const row = await this.#store.charge(account.accountId, cost, entries).catch(() => undefined)
    if (row === undefined) return false
    account.reserved -= cost
    account.noteSpend(cost, this.#clock.monotonicMs())
    account.contended = row.contended
    if (row.contended) this.#dirty.add(account)
    account.serveWaiting()
    await this.#answer(charges, row)
    return true
  }

  /** One group: a statement, then everybody in it learns how it went. What poisons a group fails alone. */
  async #settle(charges: readonly PendingCharge[], accounts: ReadonlySet<AccountCredit>): Promise<void> {
    let rows: SettledAccount[]
    try {
      rows = await this.#commit(charges, accounts)
    } catch (error) {
      const final = error instanceof NearfieldError && error.retryable
      if (final || charges.length + accounts.size <= 1 || (charges.length === 1 && accounts.size === 1)) {
        this.#fail(charges, accounts, error)
        return
      }
      const charged = new Set<AccountCredit>()
      for (const pending of charges) {
        const account = this.#account(pending.charge.accountId)
        charged.add(account)
        await this.#settle([pending], new Set([account]))
      }
      for (const account of accounts) if (!charged.has(account)) await this.#settle([], new Set([account]))
      return
    }
    const byAccount = new Map(rows.map((row) => [row.account_id, row]))
    const chargesOf = Map.groupBy(charges, (pending) => pending.charge.accountId)
    for (const account of accounts) {
      const row = byAccount.get(account.accountId)
      const own = chargesOf.get(account.accountId) ?? []
      this.#update(account, own, row)
      await this.#answer(own, row)
    }
  }

  async #commit(charges: readonly PendingCharge[], accounts: ReadonlySet<AccountCredit>): Promise<SettledAccount[]> {
    for (let attempt = 1; ; attempt++) {
      const draws = [...accounts].map((account) => this.#draw(account, charges))
      try {
        const entries = charges.map((pending) => pending.charge)
        return await this.#store.settle(entries, draws, this.#limits.leasePercentMax, this.#limits.leaseTimeoutMs)
      } catch (error) {
        const again = error instanceof NearfieldError && error.retryable && attempt < this.#limits.commitAttemptsMax
        if (!again) throw error
        await sleep(attempt * retryAfterMs)
      }
    }
  }

  #draw(account: AccountCredit, charges: readonly PendingCharge[]): Draw {
    const nowMs = this.#clock.monotonicMs()
    const release = account.contended || account.givesBack || this.#isIdle(account, nowMs)
    account.releasing = release
    for (const reservation of account.waiting) reservation.asked = !account.givesBack
    return {
      accountId: account.accountId,
      floor: account.floor(sumOfCosts(charges, account)),
      cushion: release ? 0n : account.cushion(nowMs),
      release,
      contend: account.short,
    }
  }

  #isIdle(account: AccountCredit, nowMs: number): boolean {
    if (account.reserved > 0n || account.waiting.length > 0) return false
    return this.#closing || nowMs - account.usedAtMs > this.#limits.leaseTimeoutMs
  }

  #update(account: AccountCredit, charges: readonly PendingCharge[], row: SettledAccount | undefined): void {
    const nowMs = this.#clock.monotonicMs()
    const cost = sumOfCosts(charges, account)
    account.reserved -= cost
    account.noteSpend(cost, nowMs)
    account.leased = row?.leased ?? 0n
    account.exact = row?.exact ?? false
    account.contended = row?.contended ?? false
    account.releasing = false
    account.serveWaiting()
    const gaveBack = account.givesBack
    account.givesBack = false
    if (!gaveBack) this.#refuseShort(account, row, nowMs)
    else if (account.waiting.length > 0 && account.nextAsk === undefined) this.#dirty.add(account)
    if (account.contended && account.leased > account.reserved) this.#dirty.add(account)
    if (account.leased === 0n && account.reserved === 0n && account.waiting.length === 0) this.#accounts.delete(account.accountId)
  }

  /**
   * Whoever was asked for and does not fit is refused, unless another process holds what it does not need: then it is
   * asked for again a little later. What is left over meanwhile goes back: two processes that each keep the half of
   * what one request needs would refuse it both.
   */
  #refuseShort(account: AccountCredit, row: SettledAccount | undefined, nowMs: number): void {
    const asked = account.waiting.filter((reservation) => reservation.asked)
    const kept = account.waiting.splice(0).filter((reservation) => {
      const patient = !reservation.asked || (row?.reclaimable === true && nowMs < reservation.patientUntilMs)
      if (!patient) reservation.refuse(insufficient(account.leased - account.reserved, reservation.cost))
      return patient
    })
    account.waiting.push(...kept)
    if (this.#shared && asked.length > 0 && account.leased > account.reserved) {
      account.givesBack = true
      this.#dirty.add(account)
    }
    account.short = row?.reclaimable === true && kept.length > 0
    if (account.short) this.#askAgain(account)
    else if (kept.length > 0) this.#dirty.add(account)
  }

  #askAgain(account: AccountCredit): void {
    account.nextAsk ??= setTimeout(
      () => {
        account.nextAsk = undefined
        this.#review(account)
      },
      randomInt(reclaimAfterMs, 2 * reclaimAfterMs),
    )
  }

  async #answer(charges: readonly PendingCharge[], row: ChargedAccount | undefined): Promise<void> {
    if (charges.length === 0) return
    const repeated = row?.charged !== charges.length
    let known: ((charge: AccountCharge) => boolean) | undefined
    try {
      known = repeated ? await this.#knownCharges(charges) : undefined
    } catch (error) {
      this.#doubt(charges, error)
      return
    }
    // Each request sees the balance as it stood after its own charge, not after those behind it.
    let remaining = row?.balance ?? 0n
    for (const pending of charges.toReversed()) {
      const { charge } = pending
      if (known !== undefined && !known(charge)) {
        if (charge.key !== undefined) {
          pending.resolve(undefined)
          continue
        }
        pending.reject(
          new NearfieldError('internal', undefined, { cause: new Error(`the request id ${charge.requestId} belongs to another charge`) }),
        )
        continue
      }
      if (pending.abandoned) this.#doubtful.push(charge)
      pending.resolve({ cost: charge.cost, remaining })
      if (!repeated) remaining += charge.cost
    }
  }

  /** Which of these charges stand in the ledger just as they are. */
  async #knownCharges(charges: readonly PendingCharge[]): Promise<(charge: AccountCharge) => boolean> {
    const rows = await this.#store.findCharges(charges.map((pending) => pending.charge.requestId))
    const byId = new Map(rows.map((row) => [row.request_id, row]))
    return (charge) => {
      const row = byId.get(charge.requestId)
      return row !== undefined && row.account_id === charge.accountId && row.cost === charge.cost && !row.reversed
    }
  }

  #fail(charges: readonly PendingCharge[], accounts: ReadonlySet<AccountCredit>, error: unknown): void {
    for (const { charge } of charges) this.#account(charge.accountId).reserved -= charge.cost
    this.#doubt(charges, error)
    for (const account of accounts) {
      account.releasing = false
      account.givesBack = false
      for (const reservation of account.waiting.splice(0)) reservation.refuse(error)
    }
  }

  /** Refuses charges; those that may stand although nobody can say so will be taken back. */
  #doubt(charges: readonly PendingCharge[], error: unknown): void {
    const unknown = error instanceof NearfieldError && error.retryable
    for (const { charge, reject } of charges) {
      if (unknown) this.#doubtful.push(charge)
      reject(error)
    }
  }

  /** Keeps leases in use alive and gives idle ones back. */
  #renew(): void {
    for (const account of this.#accounts.values()) this.#review(account)
  }

  async #checkContention(): Promise<void> {
    const cushioned = [...this.#accounts.values()].filter((account) => account.leased > account.reserved)
    if (cushioned.length === 0) return
    const contended = await this.#store.contended(cushioned.map((account) => account.accountId)).catch(() => [])
    for (const accountId of contended) {
      const account = this.#accounts.get(accountId)
      if (account === undefined) continue
      account.contended = true
      this.#review(account)
    }
  }
}

function sumOfCosts(charges: readonly PendingCharge[], account: AccountCredit): NanoDollars {
  return charges.reduce((sum, { charge }) => (charge.accountId === account.accountId ? sum + charge.cost : sum), 0n)
}

function insufficient(balanceOrDebt: NanoDollars, need: NanoDollars): NearfieldError {
  const balance = balanceOrDebt < 0n ? 0n : balanceOrDebt
  const message = `Insufficient credits: the balance is $${formatDollars(balance)} and this request needs $${formatDollars(need)}.`
  return new NearfieldError('insufficient_credits', message, { details: { balance, need } })
}
