import type { Scope } from '../../access/principal.ts'
import type { Credits } from '../../billing/reservation.ts'
import type { Deployment } from '../../models/model.ts'
import type { NanoDollars } from '../../money.ts'
import type { Clock } from '../../time.ts'

/** What the admin routes need of the server. The context fits, and so do a few lines of a test. */
export interface AdminServices {
  readonly clock: Clock
  readonly access: KeyAdministration
  readonly billing: CreditAdministration
  readonly models: ModelAdministration
  status(): Promise<ServerStatus>
}

/** A key without its secret. Times are milliseconds since 1970. */
export interface KeyRecord {
  readonly id: string
  readonly account: string
  readonly name: string
  /** The last characters of the secret. */
  readonly ending: string
  readonly scopes: readonly Scope[]
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
  readonly lastUsedAtMs: number | null
}

/** A key with its secret: shown once, when it is made. */
export interface NewKey extends KeyRecord {
  readonly secret: string
}

export interface KeyAdministration {
  /** Makes the account too when there is none of that name. @throws NearfieldError `invalid_request` */
  createKey(options: { account: string; name: string; scopes: readonly Scope[]; expiresAtMs: number | null }): Promise<NewKey>
  /** Of one account, or of all. */
  listKeys(account: string | undefined): Promise<readonly KeyRecord[]>
  /** Makes a successor with the same rights; the old key works until `overlapMs` have passed. @throws NearfieldError `invalid_request` for an unknown key */
  rotateKey(id: string, overlapMs: number): Promise<NewKey>
  /** From now on the key is refused. @throws NearfieldError `invalid_request` for an unknown key */
  revokeKey(id: string): Promise<KeyRecord>
}

export interface CreditAdministration {
  /** Adds credit to an account. @throws NearfieldError `credits_not_found` for an unknown account */
  grantCredits(options: { account: string; amount: NanoDollars; kind: 'paid' | 'free'; note: string | undefined }): Promise<Credits>
  /** @throws NearfieldError `credits_not_found` for an unknown account */
  creditsOf(account: string): Promise<Credits>
  /** Compares every balance with the sum of its entries. */
  checkLedger(): Promise<{ readonly accounts: number; readonly mismatches: number }>
}

export interface ModelAdministration {
  deployments(): readonly Deployment[]
  /** Makes the graphs of a model, or finds them. */
  compile(deployment: Deployment): Promise<readonly GraphReport[]>
  /** Runs every graph against the golden vectors of the reference implementation on this machine. */
  verify(deployment: Deployment): Promise<readonly ParityReport[]>
}

export interface GraphReport {
  readonly precision: 'fp32' | 'int8'
  readonly path: string
  readonly sha256: string
  /** True when it was made just now, false when it was found. */
  readonly fresh: boolean
}

export interface ParityReport {
  readonly precision: 'fp32' | 'int8'
  /** Cosine between each vector and the golden one. */
  readonly cosineMean: number
  readonly cosineMin: number
  /** Largest difference of any component between a text alone and the same text in a batch. */
  readonly aloneVersusBatchMax: number
  /** Rank correlation of the model's similarities with the reference's on the committed sentence pairs. */
  readonly spearman: number
  readonly passed: boolean
}

export interface ServerStatus {
  /** Where the public API listens; null when this process serves nobody. */
  readonly url: string | null
  readonly ready: boolean
  readonly startedAtMs: number
  readonly database: 'embedded' | 'postgres'
  /** Migrations applied while opening the database. */
  readonly migrated: number
  /** The graph that serves; null while none is loaded. */
  readonly precision: 'fp32' | 'int8' | null
  readonly replicas: number
}
