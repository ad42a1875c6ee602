import type { Access, AccessManagement } from './access/access.ts'
import { createAccess } from './access/create-access.ts'
import { checkLedger, type LedgerReport } from './billing/check-ledger.ts'
import { createBilling } from './billing/create-billing.ts'
import type { Billing, CreditManagement } from './billing/reservation.ts'
import { ValkeyVectors } from './cache/valkey-vectors.ts'
import { createVectorCache, type SharedVectors, type VectorCache } from './cache/vector-cache.ts'
import { type Config, type Environment, readConfig, type Secrets } from './config.ts'
import type { Embedder } from './embedding/embedder.ts'
import { spaceName } from './embedding/space.ts'
import { arithmeticName } from './inference/arithmetic.ts'
import { type Engine, type GateSubject, startEngine } from './inference/engine.ts'
import { observerOf } from './inference/observer.ts'
import { deploymentsOf } from './models/catalogue.ts'
import { type CompiledModel, compileModel, type Precision } from './models/compile.ts'
import { readGoldenTexts, readSimilarityPairs } from './models/golden.ts'
import type { Deployment, ModelCard } from './models/model.ts'
import { openModel } from './models/open-model.ts'
import { checkParity, type ParityReport, quickGoldenTexts } from './models/parity.ts'
import { readRotatedModels } from './models/rotated-models.ts'
import { readRotation, spaceFacts } from './models/rotation.ts'
import type { Services } from './serve.ts'
import { alwaysLoaded, servedModels } from './served-models.ts'
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

/** The precisions in the order in which they are tried: what was asked for, then the one that is always right. */
const precisionsFrom: Readonly<Record<Precision, readonly Precision[]>> = { int8: ['int8', 'fp32'], fp32: ['fp32'] }

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

/**
 * Compiles the model of this server where needed and starts its replicas; a graph that misses its reference on this
 * processor is not served.
 * @throws ModelError, NearfieldError `unavailable` when no graph passes
 */
export async function openEngine(ground: Ground, onProgress: (step: string) => void): Promise<Engine> {
  const { config, clock, telemetry } = ground
  const golden = quickGoldenTexts(await readGoldenTexts())
  return startEngine({
    settings: config.engine,
    graphs: precisionsFrom[config.engine.precision].map((precision) => () => compile(ground, servedCard(config), precision, onProgress)),
    gate: async (subject) => {
      const report = await checkParity({ ...parityInputs(subject), golden })
      return report.verdict === 'verified' ? undefined : report.reasons.join(' ')
    },
    clock,
    log: telemetry.log,
  })
}

/** What `serve` needs. `embedder` replaces the engine's, for a test that needs a failing one. */
export async function openServices(
  { config, clock, telemetry }: Ground,
  rooms: Rooms,
  engine: Engine,
  embedder: Embedder = engine,
): Promise<Services> {
  const { compiled, tokenizer } = engine
  const fixed = deploymentsOf(config)
  const shipped = await readRotation(compiled.card)
  const rotated = await readRotatedModels(config.dataDirectory, fixed, (sentence) => telemetry.log.warn({}, sentence))
  // A model under its own name is what its reference is, so only a stand-in is cut from the turned vector.
  const names = [...fixed.map((deployment) => ({ deployment, rotation: deployment.standIn ? shipped : undefined })), ...rotated]
  const models = names.map(({ deployment, rotation }) => {
    const space = (dimensions: number) => spaceName(spaceFacts(deployment, compiled, rotation), dimensions)
    return alwaysLoaded(deployment, { tokenizer, embedder, rotation, space })
  })
  return { clock, access: rooms.access, billing: rooms.billing, models: servedModels(models), cache: rooms.cache }
}

/** Makes the graphs of a model, or finds them. @throws ModelError */
export async function compileDeployment(ground: Ground, { model }: Deployment): Promise<readonly CompiledModel[]> {
  const graphs: CompiledModel[] = []
  for (const precision of precisionsFrom.int8) graphs.push(await compile(ground, model, precision, () => {}))
  return graphs
}

/** Runs every graph of a model against all that is known of its reference, on a replica of its own each. */
export async function verifyDeployment(ground: Ground, { model }: Deployment): Promise<readonly ParityReport[]> {
  const [golden, pairs] = await Promise.all([readGoldenTexts(), readSimilarityPairs()])
  const reports: ParityReport[] = []
  for (const precision of precisionsFrom.int8) {
    await using _engine = await startEngine({
      settings: { ...ground.config.engine, replicas: 1 },
      graphs: [() => compile(ground, model, precision, () => {})],
      // The report is the answer whatever it says, so every graph passes.
      gate: async (subject) => {
        reports.push(await checkParity({ ...parityInputs(subject), golden, pairs }))
        return undefined
      },
      clock: ground.clock,
      log: ground.telemetry.log,
    })
  }
  return reports
}

function parityInputs({ compiled, tokenizer, embed }: GateSubject) {
  return { precision: compiled.precision, windowTokens: compiled.card.windowTokens, tokenizer, run: embed }
}

async function compile(
  { config }: Ground,
  card: ModelCard,
  precision: Precision,
  onProgress: (step: string) => void,
): Promise<CompiledModel> {
  const { dataDirectory, engine } = config
  return compileModel({ ...(await openModel(card, dataDirectory)), precision, dataDirectory, openObserver: observerOf(engine), onProgress })
}

/** Every deployment of this server is served by one model. */
function servedCard(config: Config): ModelCard {
  const [deployment] = deploymentsOf(config)
  if (deployment === undefined) throw new Error('no model is served')
  return deployment.model
}
