import type { Config } from './config.ts'
import type { Ground } from './context.ts'
import type { Embedder } from './embedding/embedder.ts'
import { prepare } from './embedding/prepare.ts'
import { spaceName } from './embedding/space.ts'
import { NearfieldError } from './errors.ts'
import { type CompileOrder, compileApart } from './inference/compile-apart.ts'
import { type Engine, type GateSubject, startEngine } from './inference/engine.ts'
import { ModelHost, type ModelOffer } from './inference/model-host.ts'
import { observerOf } from './inference/observer.ts'
import { heldMemory } from './inference/replica-memory.ts'
import { readAlignedModels } from './models/aligned-models.ts'
import { BatchCost } from './models/batch-cost.ts'
import { allMiniLmL6V2, deploymentsOf } from './models/catalogue.ts'
import { type CompiledModel, compileModel, type Precision, precisionsOf } from './models/compile.ts'
import { readSimilarityPairs } from './models/golden.ts'
import { goldenSetOf } from './models/golden-set.ts'
import { type InstalledCard, InstalledCards } from './models/installed-cards.ts'
import type { Deployment, ModelCard } from './models/model.ts'
import { ModelError } from './models/model-error.ts'
import { committedRecords } from './models/model-records.ts'
import { openModel } from './models/open-model.ts'
import { checkParity, type ParityCheck, type ParityReport, quickGoldenTexts } from './models/parity.ts'
import { readRotatedModels } from './models/rotated-models.ts'
import { readRotation, spaceFacts, type TurnedBy } from './models/rotation.ts'
import { upstreamDeployments } from './models/upstream-catalogue.ts'
import type { LoadedModel } from './serve.ts'
import { type GatedEngine, HostedModels, type ModelSupply } from './served-models.ts'

export interface HostModelsOptions {
  /** Told what takes time while the pinned models are loaded. */
  readonly onProgress: (step: string) => void
  /** Stands between the server and its engines; a test makes it fail or wait. */
  readonly embedder?: (engine: Engine) => Embedder
}

/** The precisions in the order in which they are tried: what was asked for, then the one that is always right. */
function precisionsFrom(wanted: Precision, card: ModelCard): readonly Precision[] {
  const all = precisionsOf(card)
  return all.slice(Math.max(0, all.indexOf(wanted)))
}

/** A replica's own memory, without a model. */
const replicaBytes = 96 * 1024 * 1024

/**
 * The models of this server: those that are pinned are loaded, every other one will be at its first request. A graph that
 * misses its reference on this processor is not served.
 * @throws ModelError, NearfieldError `unavailable` when a pinned model cannot be loaded
 */
export async function hostModels(ground: Ground, { onProgress, embedder = (engine) => engine }: HostModelsOptions): Promise<HostedModels> {
  const { config, clock, telemetry } = ground
  const { log } = telemetry
  const store = new InstalledCards(config.dataDirectory, (sentence) => log.warn({}, sentence))
  const models = new Map<string, { readonly card: ModelCard; readonly version: string }>()
  /** By deployment. */
  const rotations = new Map<string, TurnedBy>()
  // Nobody is served during the start, so it may take this thread: a graph that is there is found sooner.
  let compile: Compile = (order) => compileHere(ground, order, onProgress)
  const host = new ModelHost<GatedEngine>({
    limits: config.hosting,
    load: async (name, replicas, signal) => {
      const { card, version } = models.get(name) ?? unknown(name)
      return { ...(await loadEngine(ground, card, replicas, (order) => compile(order, signal))), version }
    },
    measure: ({ engine }) => heldMemory(engine.processIds),
    clock,
    log,
  })
  const hosted = new HostedModels({
    host,
    look: async () => {
      const { supply, rotated } = await lookAtSupply(ground, await store.list())
      const versions = new Map(supply.offers.map(({ name, version }) => [name, version]))
      for (const { model: card } of supply.deployments) models.set(card.name, { card, version: versions.get(card.name) ?? '' })
      for (const [name, rotation] of rotated) rotations.set(name, rotation)
      return supply
    },
    loaded: (deployment, engine) => loadedAs(deployment, engine, rotations.get(deployment.name), embedder(engine)),
    lookAgainMs: config.hosting.lookAgainMs,
    onTrouble: (error) => log.error({ err: error }, 'the installed models could not be listed'),
    clock,
  })
  try {
    await hosted.look()
    refuseMissing(config.hosting, hosted, (sentence) => log.warn({}, sentence))
    await host.loadPinned()
  } catch (error) {
    await host.drain()
    throw error
  }
  compile = (order, signal) => compileAside(ground, order, signal)
  return hosted
}

function unknown(name: string): never {
  throw new Error(`${name} is hosted but was never seen; this is a bug`)
}

/** The names a server of this data folder would serve now. */
export async function installedDeployments(ground: Ground): Promise<readonly Deployment[]> {
  const store = new InstalledCards(ground.config.dataDirectory, (sentence) => ground.telemetry.log.warn({}, sentence))
  return (await lookAtSupply(ground, await store.list())).supply.deployments
}

/** Of what is installed, what the settings let this server serve, and the rotations of the deployments that have one. */
async function lookAtSupply({ config, telemetry }: Ground, stored: readonly InstalledCard[]) {
  const { dataDirectory, hosting } = config
  const warn = (sentence: string) => telemetry.log.warn({}, sentence)
  // A pulled model must not take a name that means something else, and a stand-in not that of a model that other machines serve.
  const elsewhere = new Set(upstreamDeployments(config.upstream).map(({ name }) => name))
  const taken = new Set(deploymentsOf({ standIn: true }).map(({ name }) => name))
  const installed = stored.filter(({ card }) => !taken.has(card.name))
  const cards = installed.map(({ card }) => card)
  const own = deploymentsOf(config, cards).filter(
    ({ name, model }) => !elsewhere.has(name) && (hosting.models?.includes(model.name) ?? true),
  )
  const rotatedModels = await readRotatedModels(dataDirectory, own, warn)
  const rotated = new Map<string, TurnedBy>(rotatedModels.map(({ deployment, rotation }) => [deployment.name, rotation]))
  const named = [...own, ...rotatedModels.map(({ deployment }) => deployment)]
  const alignedModels = await readAlignedModels(dataDirectory, named, warn)
  for (const { deployment, map } of alignedModels) rotated.set(deployment.name, map)
  for (const { name, model, standIn } of own) {
    // A model under its own name is what its reference is, so only a stand-in is cut from the turned vector.
    const shipped = standIn ? await readRotation(model) : undefined
    if (shipped !== undefined) rotated.set(name, shipped)
  }
  const files = new Map(installed.map((model) => [model.card.name, model]))
  const supply: ModelSupply = {
    deployments: [...named, ...alignedModels.map(({ deployment }) => deployment)],
    offers: [...new Set(own.map(({ model }) => model.name))].map((name) => offerOf(name, files.get(name), config)),
  }
  return { supply, rotated }
}

function offerOf(name: string, installed: InstalledCard | undefined, { hosting, engine }: Config): ModelOffer {
  return {
    name,
    version: installed?.revision ?? 'packaged',
    replicas: hosting.replicasByModel.get(name) ?? engine.replicas,
    pinned: hosting.pinned?.includes(name) ?? name === allMiniLmL6V2.name,
    bytesPerReplica: replicaBytes + (installed?.bytes ?? 0),
  }
}

function refuseMissing({ models = [], pinned = [] }: Config['hosting'], hosted: HostedModels, warn: (sentence: string) => void): void {
  const served = new Set(hosted.list().map(({ deployment }) => deployment.model.name))
  const absent = models.filter((name) => !served.has(name))
  if (absent.length > 0) warn(`NEARFIELD_MODELS names ${absent.join(', ')}, which is not installed. It is served as soon as it is.`)
  const missing = pinned.filter((name) => !served.has(name))
  if (missing.length === 0) return
  throw new ModelError(
    `NEARFIELD_MODELS_PINNED names ${missing.join(', ')}, but served are ${[...served].join(', ')}. ` +
      'Pull the model, or name it in NEARFIELD_MODELS too.',
  )
}

async function loadEngine(ground: Ground, card: ModelCard, replicas: number, compile: Compile): Promise<Omit<GatedEngine, 'version'>> {
  const { config, clock, telemetry } = ground
  let parity: GatedEngine['parity'] = 'unverified'
  const engine = await startEngine({
    settings: { ...config.engine, replicas, ...(runsAlone(card, config) && { batchSequencesMax: 1 }) },
    graphs: precisionsFrom(config.engine.precision, card).map((precision) => () => compile({ card, precision })),
    gate: async (subject) => {
      const { origin, texts } = await goldenSetOf(subject.compiled, config.dataDirectory)
      const { verdict, reasons } = await judge(ground, subject, { golden: { origin, texts: quickGoldenTexts(texts) } })
      if (verdict === 'failed') return reasons.join(' ')
      if (card.family === 'onnx') telemetry.log.info({ model: card.name }, reasons.join(' '))
      parity = verdict
      return undefined
    },
    clock,
    log: telemetry.log,
  })
  return { engine, parity, drain: () => engine.drain() }
}

function loadedAs(
  deployment: Deployment,
  { compiled, tokenizer }: Engine,
  rotation: TurnedBy | undefined,
  embedder: Embedder,
): LoadedModel {
  const facts = spaceFacts(deployment, compiled, rotation)
  return {
    ...{ tokenizer, embedder, rotation },
    prepare: (request, asked) => prepare(request, asked, tokenizer),
    space: (dimensions) => spaceName(facts, dimensions),
  }
}

/** Makes the graphs of a model, or finds them. @throws ModelError */
export async function compileDeployment(ground: Ground, { model }: Deployment): Promise<readonly CompiledModel[]> {
  refuseUpstream(model)
  const graphs: CompiledModel[] = []
  for (const precision of precisionsOf(model)) graphs.push(await compileAside(ground, { card: model, precision }))
  return graphs
}

/** Runs every graph of a model against all that is known of its reference, on a replica of its own each. */
export async function verifyDeployment(ground: Ground, { model }: Deployment): Promise<readonly ParityReport[]> {
  refuseUpstream(model)
  // How well people's judgements are met is known for the reference of our own model alone.
  const pairs = committedRecords(model.name) === undefined ? {} : { pairs: await readSimilarityPairs() }
  const reports: ParityReport[] = []
  for (const precision of precisionsOf(model)) {
    await using _engine = await startEngine({
      settings: { ...ground.config.engine, replicas: 1 },
      graphs: [() => compileAside(ground, { card: model, precision })],
      // The report is the answer whatever it says, so every graph passes.
      gate: async (subject) => {
        const golden = await goldenSetOf(subject.compiled, ground.config.dataDirectory)
        reports.push(await judge(ground, subject, { golden, ...pairs }))
        return undefined
      },
      clock: ground.clock,
      log: ground.telemetry.log,
    })
  }
  return reports
}

function refuseUpstream({ name, family }: ModelCard): void {
  if (family === 'upstream')
    throw new NearfieldError('invalid_request', `${name} is computed by another machine: there is nothing of it here.`)
}

/** Of a model's own file it is also said what running alone costs. */
async function judge(
  { config, clock }: Ground,
  { compiled, tokenizer, embed }: GateSubject,
  known: Pick<ParityCheck, 'golden' | 'pairs'>,
): Promise<ParityReport> {
  const { card, precision } = compiled
  const cost = new BatchCost(embed, clock)
  const report = await checkParity({ precision, windowTokens: card.windowTokens, tokenizer, run: cost.run, ...known })
  return precision === 'onnx' ? { ...report, reasons: [...report.reasons, cost.sentence(report, config.engine.strict)] } : report
}

function runsAlone({ family }: ModelCard, { engine }: Config): boolean {
  return family === 'onnx' && engine.strict
}

type GraphOrder = Pick<CompileOrder, 'card' | 'precision'>
type Compile = (order: GraphOrder, signal?: AbortSignal) => Promise<CompiledModel>

async function compileHere(
  { config }: Ground,
  { card, precision }: GraphOrder,
  onProgress: (step: string) => void,
): Promise<CompiledModel> {
  const { dataDirectory, engine } = config
  return compileModel({ ...(await openModel(card, dataDirectory)), precision, dataDirectory, openObserver: observerOf(engine), onProgress })
}

function compileAside({ config, telemetry }: Ground, order: GraphOrder, signal = new AbortController().signal): Promise<CompiledModel> {
  const { dataDirectory, engine: settings } = config
  return compileApart({ ...order, dataDirectory, settings }, { onProgress: (step) => telemetry.log.info({}, step), signal })
}
