import type { Access, AccessManagement } from './access/access.ts'
import { createAccess } from './access/create-access.ts'
import { checkLedger, type LedgerReport } from './billing/check-ledger.ts'
import { createBilling } from './billing/create-billing.ts'
import type { Billing, CreditManagement } from './billing/reservation.ts'
import { ValkeyVectors } from './cache/valkey-vectors.ts'
import { createVectorCache, type SharedVectors, type VectorCache } from './cache/vector-cache.ts'
import { type Config, type Environment, readConfig, type Secrets } from './config.ts'
import { arithmeticName } from './inference/arithmetic.ts'
import type { Models, Services } from './serve.ts'
import { type Database, openDatabase } from './storage/database.ts'
import { createTelemetry, type Telemetry } from './telemetry.ts'
import { type Clock, systemClock } from './time.ts'

/** What everything else is built on: settings, secrets, time, logs. */
export interface Ground {
  readonly config: Config
  readonly secrets: Secrets
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** The rooms with a database beneath them. No model is loaded, so opening them is quick. */
export interface Rooms extends AsyncDisposable {
  readonly database: Database
  readonly access: Access & AccessManagement
  readonly billing: Billing & CreditManagement
  readonly cache: VectorCache
  checkLedger(): Promise<LedgerReport>
}

/** @throws ConfigError */
export function layGround(environment?: Environment): Ground {
  const { config, secrets } = readConfig(environment)
  return { config, secrets, clock: systemClock, telemetry: createTelemetry(config) }
}

/** @throws StorageError with a sentence for the operator */
export async function openRooms({ config, secrets, clock, telemetry }: Ground): Promise<Rooms> {
  await using opened = new AsyncDisposableStack()
  const onTrouble = (sentence: string) => telemetry.log.warn(sentence)
  const database = opened.use(await openDatabase({ config, secrets, clock, onTrouble }))
  const access = opened.use(createAccess({ database, config, clock }))
  const billing = opened.use(await createBilling({ database, config, clock }))
  const cache = opened.use(createVectorCache(config.cache, sharedVectors({ config, secrets, clock, telemetry })))
  const resources = opened.move()
  return {
    database,
    access,
    billing,
    cache,
    checkLedger: () => checkLedger(database),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** The store behind the cache that servers share, where there is one. */
function sharedVectors({ config, secrets, clock, telemetry }: Ground): SharedVectors | undefined {
  if (secrets.valkeyUrl === undefined) return undefined
  const say = (sentence: string) => telemetry.log.warn(sentence)
  return new ValkeyVectors({ url: secrets.valkeyUrl, settings: config.cache.valkey, arithmetic: arithmeticName(), clock, say })
}

/** What `serve` needs. */
export function servicesOf({ clock }: Ground, { access, billing, cache }: Rooms, models: Models): Services {
  return { clock, access, billing, models, cache }
}
