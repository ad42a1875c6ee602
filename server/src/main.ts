import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IssuedKey } from './access/access.ts'
import { ensureFirstAccount } from './billing/first-account.ts'
import { ConfigError, type Environment, readConfig } from './config.ts'
import { type Ground, layGround, openRooms, type Rooms, servicesOf } from './context.ts'
import type { Embedder } from './embedding/embedder.ts'
import { NearfieldError } from './errors.ts'
import { letHeapGrow } from './heap.ts'
import { hostJobs } from './host-jobs.ts'
import { compileDeployment, hostModels, installedDeployments, verifyDeployment } from './host-models.ts'
import { listenControl } from './http/admin/control-socket.ts'
import type { AdminServices, ServerStatus } from './http/admin/services.ts'
import { createPublicApp } from './http/public-app.ts'
import type { Engine } from './inference/engine.ts'
import { registerJobMetrics } from './job-metrics.ts'
import type { JobRooms } from './jobs/open-jobs.ts'
import { openMetrics } from './metrics.ts'
import { registerModelMetrics } from './model-metrics.ts'
import { ModelError } from './models/model-error.ts'
import { type ModelLibrary, openModelLibrary } from './models/model-library.ts'
import { formatDollars } from './money.ts'
import { RoutedModels } from './routed-models.ts'
import type { HostedModels } from './served-models.ts'
import { StorageError } from './storage/storage-error.ts'
import { registerUpstreamMetrics } from './upstream-metrics.ts'
import { openUpstreamModels, type UpstreamModel, type WrapProvider } from './upstream-models.ts'
import { openUpstreamRecording } from './upstream-recording.ts'
import { openWebhooks } from './webhooks/webhooks.ts'

export { alignModel, overlapAt10Min } from './align-model.ts'
export { ConfigError, readConfig } from './config.ts'
export { buildAdminApp } from './http/admin/admin.ts'
export { readControlAddress } from './http/admin/control-socket.ts'
export { keepGolden } from './models/keep-golden.ts'
export { requireNewName, rotateModel } from './models/rotated-models.ts'

/** The data folder opened without serving: for the command line when no server runs. */
export interface Context extends AsyncDisposable {
  readonly admin: AdminServices
}

export interface RunningServer extends AsyncDisposable {
  /** Where callers reach it, without a slash at the end. */
  readonly url: string
  readonly admin: AdminServices
  readonly ground: Ground
  readonly rooms: Rooms
  readonly jobs: JobRooms
  readonly models: HostedModels
  /** Those that other machines compute. */
  readonly upstream: readonly UpstreamModel[]
  /** The key that was made because there was none. It is stored nowhere. */
  readonly firstKey: IssuedKey | undefined
}

export interface StartOptions {
  /** Prints nothing and logs errors only. */
  readonly quiet?: boolean
  /** Stands between the server and its engines; a test makes it fail or wait. */
  readonly embedder?: (engine: Engine) => Embedder
  /** Stands between the server and the machines it asks. */
  readonly provider?: WrapProvider
}

/** The stored models of a data folder; neither the database nor a model is opened. @throws ConfigError */
export function openModels(environment?: Environment): ModelLibrary {
  const { config, secrets } = readConfig(environment)
  return openModelLibrary(config, secrets)
}

/** Opens the data folder without loading a model. @throws ConfigError, StorageError */
export async function openContext(environment?: Environment): Promise<Context> {
  await using opened = new AsyncDisposableStack()
  const ground = layGround(environment)
  opened.defer(() => ground.telemetry.close())
  const rooms = opened.use(await openRooms(ground))
  const resources = opened.move()
  const status = async () => statusOf(rooms, { url: null, ready: false, startedAtMs: ground.clock.now() })
  return { admin: administration(ground, rooms, status), [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/**
 * Opens everything and listens, for callers and for the owner. Disposing the server drains it: `/readyz` says no and every
 * answer closes its connection, then nothing new is accepted, what was accepted is answered, the engine and the ledger finish,
 * the database closes.
 * @throws ConfigError, StorageError, ModelError, NearfieldError, and what `listen` throws
 */
export async function startServer(environment?: Environment, options: StartOptions = {}): Promise<RunningServer> {
  const quiet = options.quiet === true
  const ground = layGround(quiet ? { NEARFIELD_LOG_LEVEL: 'error', ...environment } : environment)
  const { config, clock, telemetry } = ground
  await using opened = new AsyncDisposableStack()
  opened.defer(() => telemetry.close())
  const openingMetrics = openMetrics(config)
  const recording = opened.use(await openUpstreamRecording(ground))
  const upstream = openUpstreamModels(ground, recording, options.provider)
  for (const model of upstream) opened.use(model)
  const { rooms, models } = await openBoth(ground, opened, options)
  const metrics = await openingMetrics
  if (metrics !== undefined) {
    registerModelMetrics(metrics, { models: () => models.host.status(), cache: () => rooms.cache.stats() })
    registerUpstreamMetrics(metrics, () => new Map(upstream.map((model) => [model.deployment.name, model.stats()])))
  }
  const services = servicesOf(ground, rooms, new RoutedModels(upstream, models))
  const jobs = opened.use(hostJobs(ground, rooms, services))
  if (metrics !== undefined) registerJobMetrics(metrics, jobs, clock)
  const { queue, events } = jobs
  const webhooks = opened.use(openWebhooks({ database: rooms.database, config, clock, queue, events, telemetry }))
  const presence = { url: null as string | null, draining: false, startedAtMs: clock.now() }
  const reasons = () => reasonsAgainst(rooms, models, presence.draining)
  const app = createPublicApp({
    config,
    clock,
    telemetry,
    services,
    jobs,
    webhooks,
    readiness: { reasons },
    metrics,
    isDraining: () => presence.draining,
  })
  opened.defer(async () => {
    presence.draining = true
    await sleep(config.http.drainNoticeMs)
    await closeApp(app)
  })
  await app.listen({ host: config.host, port: config.port })
  const url = urlOf(config.host, portOf(app) ?? config.port)
  presence.url = url
  const status = async () => statusOf(rooms, { ...presence, ready: (await reasons()).length === 0 }, models)
  const admin = administration(ground, rooms, status, models, upstream)
  const control = await listenControl(admin, config.dataDirectory)
  opened.defer(() => control[Symbol.asyncDispose]())
  const firstKey = await ensureFirstAccount(rooms.access, rooms.billing, config.billing.firstCredits)
  jobs.queue.openSoon()
  const resources = opened.move()
  return { url, admin, ground, rooms, jobs, models, upstream, firstKey, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** The database and the models do not wait for each other. When one fails, the other is closed again. */
async function openBoth(
  ground: Ground,
  opened: AsyncDisposableStack,
  { quiet = false, embedder }: StartOptions,
): Promise<{ rooms: Rooms; models: HostedModels }> {
  const onProgress = (step: string) => void (quiet || process.stderr.write(`${step} …\n`))
  const hosting = hostModels(ground, { onProgress, ...(embedder && { embedder }) })
  const [rooms, models] = await Promise.allSettled([openRooms(ground), hosting])
  if (rooms.status === 'fulfilled') opened.use(rooms.value)
  if (models.status === 'fulfilled') opened.defer(() => models.value.host.drain())
  if (rooms.status === 'rejected') throw rooms.reason
  if (models.status === 'rejected') throw models.reason
  return { rooms: rooms.value, models: models.value }
}

/** Connections that turn idle while the last answers leave are closed too, or `close` would wait for their clients. */
async function closeApp(app: ReturnType<typeof createPublicApp>): Promise<void> {
  const sweep = setInterval(() => app.server.closeIdleConnections(), 50)
  try {
    await app.close()
  } finally {
    clearInterval(sweep)
  }
}

async function reasonsAgainst(rooms: Rooms, { host }: HostedModels, draining: boolean): Promise<string[]> {
  const reasons: string[] = []
  if (draining) reasons.push('The server is stopping.')
  // A model that is loaded on demand makes nobody unready, a pinned one does.
  for (const { name, pinned, engine: gated } of host.status()) {
    if (pinned && gated?.engine.ready !== true) reasons.push(`The model ${name} has no working replica.`)
  }
  await rooms.database.ping().catch(() => reasons.push('The database does not answer.'))
  return reasons
}

/** The port in use, which the system chose when the setting is 0. */
function portOf(app: ReturnType<typeof createPublicApp>): number | undefined {
  const [address] = app.addresses()
  return typeof address === 'object' ? address.port : undefined
}

function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

type Presence = Pick<ServerStatus, 'url' | 'ready' | 'startedAtMs'>

function statusOf({ database }: Rooms, presence: Presence, models?: HostedModels): ServerStatus {
  const { url, ready, startedAtMs } = presence
  const engines = models?.host.status().flatMap(({ engine: gated }) => gated?.engine ?? []) ?? []
  return {
    url,
    ready,
    startedAtMs,
    database: database.kind,
    migrated: database.migrated,
    precision: engines[0]?.compiled.precision ?? null,
    replicas: engines.reduce((sum, engine) => sum + engine.stats().replicasReady, 0),
  }
}

/** `models` and `upstream` are left out in a process that serves nobody. */
function administration(
  ground: Ground,
  rooms: Rooms,
  status: AdminServices['status'],
  models?: HostedModels,
  upstream: readonly UpstreamModel[] = [],
): AdminServices {
  const { access, billing } = rooms
  return {
    clock: ground.clock,
    access,
    billing,
    checkLedger: () => rooms.checkLedger(),
    models: {
      deployments: async () => {
        await models?.look()
        const here = models?.list().map(({ deployment }) => deployment) ?? (await installedDeployments(ground))
        return [...here, ...upstream.map(({ deployment }) => deployment)]
      },
      host: models?.host,
      compile: async (deployment) => {
        const graphs = await compileDeployment(ground, deployment)
        return graphs.map(({ precision, graphPath, sha256, fresh }) => ({ precision, path: graphPath, sha256, fresh }))
      },
      verify: (deployment) => verifyDeployment(ground, deployment),
    },
    status,
  }
}

/**
 * What `npm start` does: serve until SIGTERM or SIGINT, then drain. A signal that insists ends the process at once.
 * @returns the exit code: 0 drained; 2 a setting was refused; 3 the database or the data folder could not be opened; 1 anything else
 */
export async function runServer(environment?: Environment): Promise<number> {
  letHeapGrow()
  const stop = untilSignal()
  try {
    const server = await startServer(environment)
    welcome(server)
    if (!stop.aborted) await once(stop, 'abort')
    const { config, telemetry } = server.ground
    telemetry.log.info({}, 'draining')
    const hardStop = setTimeout(() => {
      telemetry.log.fatal({}, 'not drained in time')
      telemetry.close()
      process.exit(1)
    }, config.http.drainTimeoutMs)
    await server[Symbol.asyncDispose]()
    clearTimeout(hardStop)
    return 0
  } catch (thrown) {
    return explain(thrown)
  }
}

const sameSignalMs = 1_000

/**
 * Aborts at the first signal. More of them within a second are the same wish: a terminal, a supervisor and npm each pass
 * it to a whole group, so the server may get it several times. One that comes later ends the process at once.
 */
function untilSignal(): AbortSignal {
  const stop = new AbortController()
  let insists = false
  const heed = () => {
    if (insists) process.exit(1)
    if (!stop.signal.aborted) setTimeout(() => (insists = true), sameSignalMs).unref()
    stop.abort()
  }
  process.on('SIGTERM', heed)
  process.on('SIGINT', heed)
  return stop.signal
}

/** Sentences for the person at the terminal, on standard output; the log says the same for machines. */
function welcome({ url, firstKey, ground, models, upstream, rooms }: RunningServer): void {
  const { config, telemetry } = ground
  const served = models.list().map(({ deployment }) => deployment)
  const names = [...upstream.map(({ deployment }) => deployment), ...served].map(({ name }) => name)
  telemetry.log.info({ url, database: rooms.database.kind, models: names }, 'listening')
  const lines = [`Nearfield serves ${url}`]
  for (const { deployment, maker } of upstream) {
    telemetry.log.info({ deployment: deployment.name, servedBy: maker }, 'another machine serves this model')
    lines.push(`${deployment.name} is served by ${maker}.`)
  }
  for (const { name, model, standIn } of served) {
    if (!standIn) continue
    telemetry.log.warn({ deployment: name, servedBy: model.name }, 'a stand-in serves this model')
    lines.push(`${name} is served by a stand-in, ${model.name}. NEARFIELD_STAND_IN=off refuses it instead.`)
  }
  if (firstKey !== undefined) {
    lines.push(
      '',
      `Your API key, shown this once, with ${formatDollars(config.billing.firstCredits).replace(/0{7}$/, '')} dollars of free credit:`,
    )
    lines.push('', `    ${firstKey.secret}`, '', 'Try it:', '')
    lines.push(
      `    curl -s ${url}/v1/gemini-embedding-001 -H 'x-api-key: ${firstKey.secret}' -H 'content-type: application/json' -d '{"input":"Hello"}'`,
    )
    lines.push('')
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** One plain sentence for what an operator can mend; the whole error for what only a programmer can. */
function explain(thrown: unknown): number {
  const say = (sentence: string) => process.stderr.write(`nearfield: ${sentence}\n`)
  if (thrown instanceof ConfigError) {
    say(thrown.message)
    return 2
  }
  if (thrown instanceof StorageError) {
    say(thrown.message)
    return 3
  }
  if (thrown instanceof Error && 'code' in thrown && (thrown.code === 'EADDRINUSE' || thrown.code === 'EACCES')) {
    const why = thrown.code === 'EADDRINUSE' ? 'is in use' : 'may not be used by this user'
    say(
      `The address ${'address' in thrown ? thrown.address : ''}:${'port' in thrown ? thrown.port : ''} ${why}. Choose another with PORT or HOST.`,
    )
    return 1
  }
  if (thrown instanceof ModelError || thrown instanceof NearfieldError) say(thrown.message)
  else say(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown))
  return 1
}

if (import.meta.main) process.exitCode = await runServer()
