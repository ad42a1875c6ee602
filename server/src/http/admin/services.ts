import type { AccessManagement } from '../../access/access.ts'
import type { LedgerReport } from '../../billing/check-ledger.ts'
import type { Billing, CreditManagement } from '../../billing/reservation.ts'
import type { HostedStatus } from '../../inference/model-host.ts'
import type { Precision } from '../../models/compile.ts'
import type { Deployment } from '../../models/model.ts'
import type { ParityReport } from '../../models/parity.ts'
import type { Clock } from '../../time.ts'

/** What the admin routes need of the server. The context fits, and so do a few lines of a test. */
export interface AdminServices {
  readonly clock: Clock
  readonly access: AccessManagement
  readonly billing: CreditManagement & Pick<Billing, 'credits'>
  readonly models: ModelAdministration
  checkLedger(): Promise<LedgerReport>
  status(): Promise<ServerStatus>
}

export interface ModelAdministration {
  /** What callers can ask for, looked at afresh. */
  deployments(): Promise<readonly Deployment[]>
  /** The models in memory; `undefined` in a process that serves nobody. */
  readonly host: ModelMemory | undefined
  /** Makes the graphs of a model, or finds them. @throws ModelError when a source file is missing or altered */
  compile(deployment: Deployment): Promise<readonly GraphReport[]>
  /** Runs every graph against the golden vectors of the reference on this machine, in a replica of its own. */
  verify(deployment: Deployment): Promise<readonly ParityReport[]>
}

/** What an operator does with the models in memory. */
export interface ModelMemory {
  status(): readonly HostedStatus<unknown>[]
  /** @throws NearfieldError `unavailable`, `model_not_found` */
  load(model: string): Promise<void>
  /** @throws NearfieldError `invalid_request` for a pinned one, `model_not_found` */
  unload(model: string): Promise<void>
  /** Until the server stops. @throws NearfieldError `model_not_found` */
  pin(model: string, pinned: boolean): void
}

export interface GraphReport {
  readonly precision: Precision
  readonly path: string
  readonly sha256: string
  /** True when it was made just now, false when it was found. */
  readonly fresh: boolean
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
  readonly precision: Precision | null
  readonly replicas: number
}
