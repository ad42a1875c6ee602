import type { AccessManagement } from '../../access/access.ts'
import type { Credits } from '../../billing/reservation.ts'
import type { Deployment } from '../../models/model.ts'
import type { NanoDollars } from '../../money.ts'
import type { Clock } from '../../time.ts'

/** What the admin routes need of the server. The context fits, and so do a few lines of a test. */
export interface AdminServices {
  readonly clock: Clock
  readonly access: AccessManagement
  readonly billing: CreditAdministration
  readonly models: ModelAdministration
  status(): Promise<ServerStatus>
}

export interface CreditAdministration {
  /** Adds credit to an account. @throws NearfieldError `unavailable` */
  grantCredits(options: { accountId: string; amount: NanoDollars; kind: 'paid' | 'free'; note: string | undefined }): Promise<Credits>
  /** @throws NearfieldError `credits_not_found` when the account has no balance */
  credits(accountId: string): Promise<Credits>
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
