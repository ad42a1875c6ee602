import { availableParallelism, totalmem } from 'node:os'
import path from 'node:path'
import { address, ConfigError, countsByName, type Environment, names, namesByName, oneOf, onOff, wholeNumber } from './environment.ts'
import { type JobSettings, readJobSettings } from './job-settings.ts'
import { readUpstreamSecrets, readUpstreamSettings, type UpstreamSecrets, type UpstreamSettings } from './upstream-settings.ts'
import { readWebhookSettings, type WebhookSettings } from './webhook-settings.ts'

export { ConfigError, type Environment } from './environment.ts'

/**
 * Every setting and every limit of the server, read once at start from the environment. The only reader of
 * `process.env`. Units stand last in a name: Ms milliseconds, Bytes, Max an inclusive maximum.
 */
export interface Config {
  readonly host: string
  /** 0 lets the system choose a free port. */
  readonly port: number
  readonly dataDirectory: string
  readonly logLevel: 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace'
  /** False refuses to serve gemini-embedding-001 by the local model. */
  readonly standIn: boolean
  /** Names of OpenAI's models that stand for models of this server, which every answer then names. */
  readonly openAiAliases: ReadonlyMap<string, string>
  /** Whether shortened vectors of the Gemini dialect are of unit length, which Google's are not. */
  readonly geminiUnitLength: boolean
  /** Plan of the accounts that the server and the command line make. */
  readonly defaultPlan: 'free' | 'pro' | 'unlimited'
  readonly http: {
    readonly bodyBytesMax: number
    readonly jsonDepthMax: number
    readonly inputsMax: number
    /** Texts of a similarity matrix. Its numbers grow with their square, and writing these takes some ten milliseconds. */
    readonly similarityInputsMax: number
    /** Pairs, or sentences beside their source, of one similarity call. */
    readonly similarityPairsMax: number
    readonly rerankDocumentsMax: number
    /** Numbers in the vectors of a request that is answered later: its answer is kept and sent whole. */
    readonly asyncNumbersMax: number
    /** Where callers reach this server, without a slash at the end; `undefined` means wherever their requests are sent. */
    readonly publicUrl: string | undefined
    readonly connectionsMax: number
    /** From the first byte of a request to its last. */
    readonly receiveTimeoutMs: number
    /** From the first byte of an uploaded file to its last, as long as bytes go on coming. */
    readonly uploadTimeoutMs: number
    readonly headersTimeoutMs: number
    /** From arrival to answer; past it the caller gets 504. */
    readonly deadlineMs: number
    readonly keepAliveTimeoutMs: number
    /** Whose pages a browser lets read the answers, such as `https://app.example`; none by default. */
    readonly corsOrigins: readonly string[]
    /** Who may read the figures for Prometheus: keys with that scope, everybody, nobody. */
    readonly metrics: 'key' | 'open' | 'off'
    /** How long /readyz says no before connections are refused, so that a load balancer notices first. */
    readonly drainNoticeMs: number
    /** From SIGTERM to a hard stop. */
    readonly drainTimeoutMs: number
  }
  readonly engine: {
    readonly replicas: number
    readonly threadsPerReplica: number
    /** Which graph to load: int8 falls back to fp32 when it misses its parity bound on this processor. */
    readonly precision: 'int8' | 'fp32'
    /** A model that runs its own ONNX file runs every text alone, because its bits may depend on batch mates. */
    readonly strict: boolean
    /** Sequences waiting for a replica. */
    readonly queueSequencesMax: number
    /** Tokens waiting for a replica. */
    readonly queueTokensMax: number
    /** A request with more sequences, or more tokens, is bulk unless its caller says otherwise. */
    readonly interactiveSequencesMax: number
    readonly interactiveTokensMax: number
    /** Of what runs while both lanes wait, bulk gets at least so many tokens in a hundred. */
    readonly bulkPercentMin: number
    /** Bulk that got nothing for so long goes first once. */
    readonly bulkWaitMsMax: number
    /** True starts one replica more where both interactive and bulk work come. */
    readonly spareReplica: boolean
    /** It is ended when it was not wanted for so long; so long after an interactive request another one is expected. */
    readonly spareIdleMs: number
    /** A sequence that failed for good is refused for so long without being run. */
    readonly quarantineMs: number
    readonly batchTokensMax: number
    /** True measures the best sizes of batches at the first start; the two settings here are then not used. */
    readonly batchTokensTuned: boolean
    readonly batchSequencesMax: number
    /** A replica that still runs is sent its next batch early only when that many tokens wait. */
    readonly batchTokensAhead: number
    /** Batches one replica may have at once: one that runs, the rest in its pipe. */
    readonly batchesPerReplicaMax: number
    /** A batch without an answer for this long means a hung replica: it is killed and replaced. */
    readonly watchdogMs: number
    readonly startTimeoutMs: number
    /** Replica deaths within a minute after which the engine stops replacing and reports itself unready. */
    readonly restartsPerMinuteMax: number
    /** How long the engine then waits before it starts replicas again. */
    readonly restartPauseMs: number
    /** A replica told to stop is killed after this long. */
    readonly stopTimeoutMs: number
  }
  readonly hosting: {
    /** Installed models that are served; `undefined` means all of them. */
    readonly models: readonly string[] | undefined
    /** Loaded at start and never unloaded; `undefined` means the model that comes with the program, if it is served. */
    readonly pinned: readonly string[] | undefined
    /** What the replicas of all loaded models together may occupy. */
    readonly memoryBytesMax: number
    /** Replicas of all loaded models together. */
    readonly replicasTotalMax: number
    /** Replicas of single models; the others have `engine.replicas`. */
    readonly replicasByModel: ReadonlyMap<string, number>
    /** A model without a request for this long is unloaded; 0 means never. */
    readonly idleMs: number
    /** Requests that may wait for one model to be loaded. */
    readonly waitingMax: number
    /** How long a request waits for a model to be loaded, if its deadline allows. */
    readonly waitMs: number
    /** A model waits so long for models that are never idle; then they make room between two requests. */
    readonly roomPatienceMs: number
    /** A model that could not be loaded is left alone for so long. */
    readonly failurePauseMs: number
    readonly loadsAtOnceMax: number
    /** How often memory is measured and idle models are looked for. */
    readonly sweepMs: number
    /** A name that is not known makes the server look for newly installed models, at most this often. */
    readonly lookAgainMs: number
  }
  readonly billing: {
    /** Free credits of the account made on first start, nano-dollars. */
    readonly firstCredits: bigint
    /** Entries one commit may carry. */
    readonly commitEntriesMax: number
    /** Reservations and captures waiting for a commit. */
    readonly pendingMax: number
    /** Under load a commit waits this long at most for others to join it; a lone request never waits. */
    readonly commitGatherMs: number
    /** Largest share of an account's free balance one process may hold as a lease, in percent. */
    readonly leasePercentMax: number
    /** A lease not renewed for this long is void. */
    readonly leaseTimeoutMs: number
    /** How long a reservation waits for another process to give back credit it holds but does not need. */
    readonly reclaimTimeoutMs: number
    /** Attempts at a commit whose outcome is unknown; the request id makes repeating it safe. */
    readonly commitAttemptsMax: number
    /** How long an idempotency key stands for its charge, at least. */
    readonly idempotencyKeepMs: number
    /** How often keys that have expired are deleted, and how many with one statement and in one go. */
    readonly idempotencySweepMs: number
    readonly idempotencySweepRowsMax: number
    readonly idempotencySweepStatementsMax: number
    /** Times a request tries to be charged, or to find the charge of its key, while others that share the key come and go. */
    readonly idempotencyAttemptsMax: number
  }
  readonly cache: {
    /** Memory for vectors, all of it included; 0 for none. */
    readonly bytesMax: number
    /** True lets accounts find each other's vectors: who asks learns from the price whether anybody asked before. */
    readonly sharedByAccounts: boolean
    /** The store behind it, which several servers share. */
    readonly valkey: {
      /** A lookup takes no longer; then its vectors are computed. */
      readonly timeoutMs: number
      readonly connectTimeoutMs: number
      /** After a failure it is left alone for so long. */
      readonly pauseMs: number
      /** Vectors on their way into it; what comes beyond that is not stored. */
      readonly writesMax: number
      readonly expiryMs: number
    }
  }
  /** Where models are pulled from, and how much is taken. */
  readonly hub: {
    /** Address of a Hugging Face hub or a mirror of it, without a slash at the end. */
    readonly endpoint: string
    readonly redirectsMax: number
    /** Tries for one answer, or of one file without bringing a megabyte of it. */
    readonly attemptsMax: number
    /** A server silent for this long is given up. */
    readonly idleTimeoutMs: number
    /** Pause before the second try; it doubles from try to try. */
    readonly retryPauseMs: number
    readonly retryPauseMsMax: number
    /** Longest listing of a repository. */
    readonly listingBytesMax: number
    /** Files of one repository, folder or archive. */
    readonly filesMax: number
    readonly fileBytesMax: number
    /** Of all files of a model together. */
    readonly modelBytesMax: number
  }
  readonly upstream: UpstreamSettings
  readonly jobs: JobSettings
  readonly webhooks: WebhookSettings
  readonly access: {
    /** How long a looked-up key may be believed without asking the database. */
    readonly keyCacheMs: number
    readonly keyCacheEntriesMax: number
    /** Bad keys per minute and address before 429. */
    readonly badKeysPerMinuteMax: number
    readonly limiterAccountsMax: number
    /** Addresses whose bad keys are counted at once. */
    readonly limiterAddressesMax: number
    /** The time a key was last used is written this often, not at every request. */
    readonly lastUsedFlushMs: number
  }
  readonly storage: {
    readonly poolConnectionsMax: number
    readonly connectTimeoutMs: number
    readonly statementTimeoutMs: number
    readonly queryTimeoutMs: number
    /** Of what a library runs in words of its own, such as making its tables. */
    readonly scriptTimeoutMs: number
    /** Below this much free disk the server refuses work that writes. */
    readonly freeDiskBytesMin: number
    /** A thread of the embedded database silent for this long is replaced. */
    readonly embeddedWatchdogMs: number
    readonly embeddedRestartsPerMinuteMax: number
    /** How often the embedded database writes a checkpoint: what came since is what a start after a crash reads again. */
    readonly embeddedCheckpointMs: number
    /** What the embedded database holds of its files in memory of its own; the rest is in the system's cache anyway. */
    readonly embeddedBufferBytes: number
  }
}

/** Settings that must never be logged or shown. Kept apart from `Config` so that printing one cannot print the other. */
export interface Secrets extends UpstreamSecrets {
  /** Postgres address with its password; `undefined` means the embedded database in the data folder. */
  readonly databaseUrl: string | undefined
  /** Address of the Valkey or Redis that servers share vectors through, with its password; `undefined` means none. */
  readonly valkeyUrl: string | undefined
  /** Opens private and gated repositories of the hub. */
  readonly hubToken: string | undefined
}

const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
const plans = ['free', 'pro', 'unlimited'] as const
const metricsAccess = ['key', 'open', 'off'] as const
const precisions = ['int8', 'fp32'] as const

/** 256 vectors of full length are some 10 MB of JSON. */
const sizeLimits = { similarityInputsMax: 128, similarityPairsMax: 1_024, rerankDocumentsMax: 1_000, asyncNumbersMax: 786_432 }

const accessLimits: Omit<Config['access'], 'badKeysPerMinuteMax'> = {
  keyCacheMs: 5_000,
  keyCacheEntriesMax: 10_000,
  limiterAccountsMax: 100_000,
  limiterAddressesMax: 100_000,
  lastUsedFlushMs: 10_000,
}

/** @throws ConfigError naming the variable and what it may hold */
export function readConfig(environment: Environment = process.env): { config: Config; secrets: Secrets } {
  const cores = availableParallelism()
  const whole = (name: string, fallback: number, least: number, most: number) => wholeNumber(environment, name, fallback, least, most)
  const config: Config = {
    host: environment.HOST || '127.0.0.1',
    port: whole('PORT', 8080, 0, 65_535),
    dataDirectory: path.resolve(environment.NEARFIELD_DATA_DIR || 'data'),
    logLevel: oneOf(environment, 'NEARFIELD_LOG_LEVEL', logLevels, 'info'),
    standIn: oneOf(environment, 'NEARFIELD_STAND_IN', onOff, 'on') === 'on',
    openAiAliases: namesByName(environment, 'NEARFIELD_OPENAI_ALIASES'),
    geminiUnitLength: oneOf(environment, 'NEARFIELD_GEMINI_UNIT_LENGTH', onOff, 'off') === 'on',
    defaultPlan: oneOf(environment, 'NEARFIELD_DEFAULT_PLAN', plans, 'unlimited'),
    http: {
      bodyBytesMax: whole('NEARFIELD_BODY_BYTES_MAX', 4 * 1024 * 1024, 1_024, 64 * 1024 * 1024),
      jsonDepthMax: 32,
      inputsMax: whole('NEARFIELD_INPUTS_MAX', 2_048, 1, 16_384),
      ...sizeLimits,
      publicUrl: address(environment, 'NEARFIELD_PUBLIC_URL'),
      connectionsMax: whole('NEARFIELD_CONNECTIONS_MAX', 12_000, 1, 100_000),
      receiveTimeoutMs: 15_000,
      uploadTimeoutMs: 3_600_000,
      headersTimeoutMs: 5_000,
      deadlineMs: whole('NEARFIELD_DEADLINE_MS', 25_000, 50, 600_000),
      keepAliveTimeoutMs: 72_000,
      corsOrigins: origins(environment, 'NEARFIELD_CORS_ORIGINS'),
      metrics: oneOf(environment, 'NEARFIELD_METRICS', metricsAccess, 'key'),
      drainNoticeMs: whole('NEARFIELD_DRAIN_NOTICE_MS', 0, 0, 60_000),
      drainTimeoutMs: 25_000,
    },
    engine: {
      replicas: whole('NEARFIELD_REPLICAS', Math.max(1, cores), 1, 64),
      threadsPerReplica: whole('NEARFIELD_THREADS_PER_REPLICA', 1, 1, 64),
      precision: oneOf(environment, 'NEARFIELD_PRECISION', precisions, 'int8'),
      strict: oneOf(environment, 'NEARFIELD_STRICT', onOff, 'on') === 'on',
      queueSequencesMax: whole('NEARFIELD_QUEUE_SEQUENCES_MAX', 16_384, 1, 1_000_000),
      queueTokensMax: whole('NEARFIELD_QUEUE_TOKENS_MAX', 2_000_000, 256, 100_000_000),
      interactiveSequencesMax: whole('NEARFIELD_INTERACTIVE_TEXTS_MAX', 16, 0, 16_384),
      interactiveTokensMax: whole('NEARFIELD_INTERACTIVE_TOKENS_MAX', 4_096, 0, 100_000_000),
      bulkPercentMin: whole('NEARFIELD_BULK_PERCENT_MIN', 20, 1, 90),
      bulkWaitMsMax: 500,
      spareReplica: oneOf(environment, 'NEARFIELD_SPARE_REPLICA', onOff, 'on') === 'on',
      spareIdleMs: 60_000,
      quarantineMs: 60_000,
      batchTokensMax: whole('NEARFIELD_BATCH_TOKENS_MAX', 384, 256, 65_536),
      batchTokensTuned: !environment.NEARFIELD_BATCH_TOKENS_MAX && !environment.NEARFIELD_BATCH_TOKENS_AHEAD,
      batchSequencesMax: whole('NEARFIELD_BATCH_SEQUENCES_MAX', 16, 1, 1_024),
      batchTokensAhead: whole('NEARFIELD_BATCH_TOKENS_AHEAD', 96, 1, 65_536),
      batchesPerReplicaMax: 2,
      watchdogMs: whole('NEARFIELD_WATCHDOG_MS', 10_000, 100, 600_000),
      startTimeoutMs: 30_000,
      restartsPerMinuteMax: 10,
      restartPauseMs: 10_000,
      stopTimeoutMs: 5_000,
    },
    hosting: hostingSettings(environment, cores),
    billing: billingSettings(environment),
    cache: {
      bytesMax: cacheBytes(whole('NEARFIELD_CACHE_BYTES_MAX', 64 * 1024 * 1024, 0, 8 * 1024 * 1024 * 1024)),
      sharedByAccounts: oneOf(environment, 'NEARFIELD_CACHE_SHARED', onOff, 'off') === 'on',
      valkey: { timeoutMs: 50, connectTimeoutMs: 1_000, pauseMs: 5_000, writesMax: 4_096, expiryMs: 7 * 86_400_000 },
    },
    hub: hubSettings(environment),
    upstream: readUpstreamSettings(environment),
    jobs: readJobSettings(environment),
    webhooks: readWebhookSettings(environment),
    access: { ...accessLimits, badKeysPerMinuteMax: whole('NEARFIELD_BAD_KEYS_PER_MINUTE_MAX', 20, 1, 1_000_000) },
    storage: storageSettings(environment),
  }
  refuseTooManyThreads(config, cores)
  return { config: deepFreeze(config), secrets: Object.freeze(readSecrets(environment)) }
}

function readSecrets(environment: Environment): Secrets {
  const upstream = readUpstreamSecrets(environment)
  return { ...upstream, databaseUrl: databaseUrl(environment), valkeyUrl: valkeyUrl(environment), hubToken: hubToken(environment) }
}

function refuseTooManyThreads({ engine }: Config, cores: number): void {
  const threads = engine.replicas * engine.threadsPerReplica
  if (threads > 2 * cores) {
    throw new ConfigError(
      `NEARFIELD_REPLICAS times NEARFIELD_THREADS_PER_REPLICA is ${threads}, but this machine has ${cores} cores. ` +
        `Their product may be ${2 * cores} at most; ${cores} is fastest.`,
    )
  }
}

function hostingSettings(environment: Environment, cores: number): Config['hosting'] {
  const whole = (name: string, fallback: number, least: number, most: number) => wholeNumber(environment, name, fallback, least, most)
  return {
    models: environment.NEARFIELD_MODELS ? names(environment.NEARFIELD_MODELS) : undefined,
    pinned: environment.NEARFIELD_MODELS_PINNED ? names(environment.NEARFIELD_MODELS_PINNED) : undefined,
    memoryBytesMax: whole('NEARFIELD_MODEL_MEMORY_BYTES_MAX', memoryShare(), 64 * 1024 * 1024, Number.MAX_SAFE_INTEGER),
    replicasTotalMax: whole('NEARFIELD_REPLICAS_TOTAL_MAX', 4 * Math.max(1, cores), 1, 1_024),
    replicasByModel: countsByName(environment, 'NEARFIELD_MODEL_REPLICAS', 64),
    idleMs: whole('NEARFIELD_MODEL_IDLE_MS', 900_000, 0, 2_000_000_000),
    waitingMax: whole('NEARFIELD_MODEL_WAITING_MAX', 1_024, 1, 100_000),
    waitMs: whole('NEARFIELD_MODEL_WAIT_MS', 20_000, 0, 600_000),
    roomPatienceMs: 5_000,
    failurePauseMs: 15_000,
    loadsAtOnceMax: 2,
    sweepMs: 5_000,
    lookAgainMs: 1_000,
  }
}

function billingSettings(environment: Environment): Config['billing'] {
  return {
    firstCredits: 5_000_000_000n,
    commitEntriesMax: 512,
    pendingMax: 32_768,
    commitGatherMs: 1,
    leasePercentMax: 10,
    leaseTimeoutMs: 60_000,
    reclaimTimeoutMs: 1_500,
    commitAttemptsMax: 3,
    idempotencyKeepMs: wholeNumber(environment, 'NEARFIELD_IDEMPOTENCY_HOURS', 24, 24, 720) * 3_600_000,
    idempotencySweepMs: 60_000,
    idempotencySweepRowsMax: 1_000,
    idempotencySweepStatementsMax: 100,
    idempotencyAttemptsMax: 5,
  }
}

function storageSettings(environment: Environment): Config['storage'] {
  return {
    poolConnectionsMax: wholeNumber(environment, 'NEARFIELD_DATABASE_CONNECTIONS_MAX', 8, 2, 100),
    connectTimeoutMs: 2_000,
    statementTimeoutMs: 2_500,
    queryTimeoutMs: 3_000,
    scriptTimeoutMs: 30_000,
    freeDiskBytesMin: 256 * 1024 * 1024,
    embeddedWatchdogMs: 10_000,
    embeddedRestartsPerMinuteMax: 3,
    embeddedCheckpointMs: 60_000,
    embeddedBufferBytes: 32 * 1024 * 1024,
  }
}

const cacheBytesLeast = 64 * 1024

function cacheBytes(bytes: number): number {
  if (bytes === 0 || bytes >= cacheBytesLeast) return bytes
  throw new ConfigError(
    `NEARFIELD_CACHE_BYTES_MAX is ${bytes}; that holds next to nothing. Set ${cacheBytesLeast} or more, or 0 for no cache.`,
  )
}

/** Exact origins only: any page would do with a wildcard, also one of a stranger whom the browser can bring to an inner network. */
function origins(environment: Environment, variable: string): readonly string[] {
  const entries = names(environment[variable] ?? '')
  const wrong = entries.find((entry) => !/^https?:$/.test(URL.parse(entry)?.protocol ?? '') || new URL(entry).origin !== entry)
  if (wrong === undefined) return entries
  throw new ConfigError(`${variable} holds "${wrong}"; every entry must be an origin without a path, such as https://app.example.`)
}

/** Half of what this process and its children may use. */
function memoryShare(): number {
  const allowed = process.constrainedMemory()
  return Math.floor((allowed > 0 ? Math.min(allowed, totalmem()) : totalmem()) / 2)
}

function hubSettings(environment: Environment): Config['hub'] {
  return {
    endpoint: hubEndpoint(environment),
    redirectsMax: 5,
    attemptsMax: 5,
    idleTimeoutMs: 30_000,
    retryPauseMs: 500,
    retryPauseMsMax: 15_000,
    listingBytesMax: 16 * 1024 * 1024,
    filesMax: 4_096,
    fileBytesMax: 8 * 1024 * 1024 * 1024 - 1,
    modelBytesMax: 16 * 1024 * 1024 * 1024,
  }
}

function hubEndpoint(environment: Environment): string {
  const text = environment.HF_ENDPOINT || 'https://huggingface.co'
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '')
  throw new ConfigError(`HF_ENDPOINT is "${text}"; it must be an https:// address. Leave it out for https://huggingface.co.`)
}

function hubToken(environment: Environment): string | undefined {
  const text = environment.HF_TOKEN
  if (text === undefined || text === '') return undefined
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new ConfigError('HF_TOKEN has a character that no token has, such as a space or a line break.')
}

function databaseUrl(environment: Environment): string | undefined {
  const text = environment.DATABASE_URL
  if (text === undefined || text === '') return undefined
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return text
  // The value may hold a password, so the message does not repeat it.
  throw new ConfigError('DATABASE_URL must be a postgres:// address. Leave it out to use the embedded database in the data folder.')
}

/** Valkey's names of the schemes mean the same as Redis's, which every client knows. */
function valkeyUrl(environment: Environment): string | undefined {
  const text = environment.NEARFIELD_VALKEY_URL
  if (text === undefined || text === '') return undefined
  const known = /^(valkey|redis)s?:\/\//.test(text) && URL.canParse(text) && /^\/?\d*$/.test(new URL(text).pathname)
  if (known) return text.replace(/^valkey/, 'redis')
  throw new ConfigError(
    'NEARFIELD_VALKEY_URL must be a valkey:// or redis:// address, or valkeys:// or rediss:// for TLS, with at most the number of a database after it. Leave it out for none.',
  )
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
