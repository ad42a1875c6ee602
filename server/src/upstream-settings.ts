import path from 'node:path'
import { addresses, ConfigError, type Environment, names, oneOf, onOff, secretList, wholeNumber } from './environment.ts'

/** Which models other machines compute, and how they are asked. Part of `Config`. */
export interface UpstreamSettings {
  /** Google's models by the Gemini API; `undefined` without a key. */
  readonly gemini: { readonly baseUrl: string } | undefined
  /** Google's models by Vertex AI; `undefined` without a project. */
  readonly vertex: VertexSettings | undefined
  /** Models of any service that speaks OpenAI's API; `undefined` without an address. */
  readonly openAi: OpenAiUpstreamSettings | undefined
  readonly limits: UpstreamLimits
  readonly recording: RecordingSettings
}

export interface RecordingSettings {
  /** `live` asks the upstreams, `record` writes down what they answer, `replay` answers from that and asks nobody. */
  readonly mode: 'live' | 'record' | 'replay'
  /** The recording; `undefined` only when live. */
  readonly file: string | undefined
  readonly bytesMax: number
  /** Lines of it: one for each vector and each failure. */
  readonly outcomesMax: number
  /** Whether failures that came before an answer are replayed, too. */
  readonly replaysFailures: boolean
  /** Whether a replayed call takes as long as the recorded one took. */
  readonly replaysLatency: boolean
}

export interface VertexSettings {
  readonly project: string
  readonly location: string
  /** File with the key of a service account. */
  readonly credentialsFile: string
  /** Another address than Google's own, where one is given. */
  readonly baseUrl: string | undefined
}

export interface OpenAiUpstreamSettings {
  /** Addresses of one and the same service, such as `https://api.openai.com/v1`: failover goes among them. */
  readonly baseUrls: readonly string[]
  /** Names of its models, in each case with the length of its vectors where that is given. */
  readonly models: ReadonlyMap<string, number | undefined>
  /** Texts of one call; a service says what it takes, such as TEI's `max_client_batch_size`. */
  readonly batchTextsMax: number
  /** Longest input of models that are not known by name, tokens. */
  readonly inputTokensMax: number
}

/** For each key and each address of a model on its own, unless it says otherwise. */
export interface UpstreamLimits {
  /** What the upstream allows; 0 asks as often as it answers and obeys its 429. */
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
  readonly requestsPerDay: number
  /** Calls under way. */
  readonly callsAtOnceMax: number
  /** A call that is not full leaves when no text came for so long. */
  readonly gatherMs: number
  /** It waits no longer than this, whatever comes. */
  readonly gatherMsMax: number
  /** Texts waiting for one model. */
  readonly queueTextsMax: number
  /** Tokens waiting for one model. */
  readonly queueTokensMax: number
  /** From the start of a call to the last byte of its reply. */
  readonly callTimeoutMs: number
  /** Largest reply. */
  readonly replyBytesMax: number
  /** Calls for one text, the first included. */
  readonly attemptsMax: number
  /** Repeated calls, of a hundred first ones. */
  readonly retryPercentMax: number
  /** Repeated calls at once, before the percentage counts. */
  readonly retryBurstMax: number
  /** Longest pause before a repeated call; it is drawn at random. */
  readonly retryPauseMsMax: number
  /** Failures in a row after which a deployment is left alone. */
  readonly failuresInARowMax: number
  /** How long, at first; it doubles with every probe that fails. */
  readonly breakMs: number
  readonly breakMsMax: number
  /** Tokens of one call, by an estimate; a longer text goes alone. */
  readonly callTokensMax: number
  /** Of a call while both lanes wait, bulk gets at least so many texts in a hundred. */
  readonly bulkPercentMin: number
}

/** Part of `Secrets`. */
export interface UpstreamSecrets {
  readonly geminiKeys: readonly string[]
  readonly openAiUpstreamKey: string | undefined
}

/** The names that Google serves here. */
export const googleModels = ['gemini-embedding-001', 'gemini-embedding-2'] as const

/** @throws ConfigError */
export function readUpstreamSettings(environment: Environment): UpstreamSettings {
  const recording = recordingSettings(environment)
  const gemini = geminiSettings(environment, recording.mode)
  const vertex = vertexSettings(environment)
  if (gemini !== undefined && vertex !== undefined) {
    throw new ConfigError(
      'GEMINI_API_KEY and NEARFIELD_VERTEX_PROJECT are both given; the same models cannot be served by both. Leave one out.',
    )
  }
  const openAi = openAiSettings(environment)
  const twice = gemini === undefined && vertex === undefined ? undefined : googleModels.find((name) => openAi?.models.has(name))
  if (twice !== undefined) {
    throw new ConfigError(`NEARFIELD_UPSTREAM_MODELS names ${twice}, which Google serves already: a name has one vector space.`)
  }
  return { gemini, vertex, openAi, limits: limitsOf(environment, recording.mode), recording }
}

/** @throws ConfigError */
export function readUpstreamSecrets(environment: Environment): UpstreamSecrets {
  const [openAiUpstreamKey, ...others] = secretList(environment, 'NEARFIELD_UPSTREAM_API_KEY')
  if (others.length > 0) throw new ConfigError('NEARFIELD_UPSTREAM_API_KEY holds more than one key.')
  return { geminiKeys: secretList(environment, 'GEMINI_API_KEY'), openAiUpstreamKey }
}

const modes = ['live', 'record', 'replay'] as const

function recordingSettings(environment: Environment): RecordingSettings {
  const mode = oneOf(environment, 'NEARFIELD_UPSTREAM', modes, 'live')
  const file = environment.NEARFIELD_UPSTREAM_FILE ? path.resolve(environment.NEARFIELD_UPSTREAM_FILE) : undefined
  if (mode !== 'live' && file === undefined) {
    throw new ConfigError(`NEARFIELD_UPSTREAM is "${mode}", which needs NEARFIELD_UPSTREAM_FILE, such as test/embeddings.jsonl.`)
  }
  return {
    ...{ mode, file },
    bytesMax: 1024 * 1024 * 1024,
    outcomesMax: 250_000,
    replaysFailures: oneOf(environment, 'NEARFIELD_REPLAY_FAILURES', onOff, 'off') === 'on',
    replaysLatency: oneOf(environment, 'NEARFIELD_REPLAY_LATENCY', onOff, 'off') === 'on',
  }
}

/** Replaying needs no key, so it serves Google's names where nothing else is named. */
function geminiSettings(environment: Environment, mode: RecordingSettings['mode']): UpstreamSettings['gemini'] {
  const isNamed = Boolean(environment.GEMINI_API_KEY || environment.GEMINI_API_KEY_FILE)
  const isAlone = !environment.NEARFIELD_VERTEX_PROJECT && !environment.NEARFIELD_UPSTREAM_MODELS
  if (!isNamed && !(mode === 'replay' && isAlone)) return undefined
  const [baseUrl = 'https://generativelanguage.googleapis.com', ...others] = addresses(environment, 'NEARFIELD_GEMINI_BASE_URL')
  if (others.length > 0) throw new ConfigError('NEARFIELD_GEMINI_BASE_URL holds more than one address.')
  return { baseUrl }
}

function vertexSettings(environment: Environment): VertexSettings | undefined {
  const project = environment.NEARFIELD_VERTEX_PROJECT
  if (!project) return undefined
  const credentialsFile = environment.GOOGLE_APPLICATION_CREDENTIALS
  if (!credentialsFile && environment.NEARFIELD_UPSTREAM !== 'replay') {
    throw new ConfigError('NEARFIELD_VERTEX_PROJECT needs GOOGLE_APPLICATION_CREDENTIALS, the file with the key of a service account.')
  }
  const [baseUrl] = addresses(environment, 'NEARFIELD_VERTEX_BASE_URL')
  return { project, location: environment.NEARFIELD_VERTEX_LOCATION || 'us-central1', credentialsFile: credentialsFile ?? '', baseUrl }
}

function openAiSettings(environment: Environment): OpenAiUpstreamSettings | undefined {
  const baseUrls = addresses(environment, 'NEARFIELD_UPSTREAM_URL')
  const models = new Map(names(environment.NEARFIELD_UPSTREAM_MODELS ?? '').map((entry) => namedModel(entry)))
  if (baseUrls.length === 0 && models.size === 0) return undefined
  if (baseUrls.length === 0 || models.size === 0) {
    throw new ConfigError('NEARFIELD_UPSTREAM_URL and NEARFIELD_UPSTREAM_MODELS belong together: one of them is missing.')
  }
  return {
    ...{ baseUrls, models },
    batchTextsMax: wholeNumber(environment, 'NEARFIELD_UPSTREAM_BATCH_TEXTS_MAX', 100, 1, 2_048),
    inputTokensMax: wholeNumber(environment, 'NEARFIELD_UPSTREAM_INPUT_TOKENS_MAX', 512, 16, 1_000_000),
  }
}

/** `text-embedding-3-small`, or `my-model=768` with the length of its vectors. */
function namedModel(entry: string): [string, number | undefined] {
  const [, name, digits] = /^([^=\s]+?)(?:\s*=\s*(\d{1,5}))?$/.exec(entry) ?? []
  const dimensions = digits === undefined ? undefined : Number(digits)
  if (name !== undefined && dimensions !== 0) return [name, dimensions]
  throw new ConfigError(
    `NEARFIELD_UPSTREAM_MODELS holds "${entry}"; every entry must be a model, or a model, "=" and the length of its vectors, such as my-model=768.`,
  )
}

function limitsOf(environment: Environment, mode: RecordingSettings['mode']): UpstreamLimits {
  const whole = (name: string, fallback: number, least: number, most: number) => wholeNumber(environment, name, fallback, least, most)
  // A recording may be asked as often as anybody likes.
  const allowed = (name: string, most: number) => (mode === 'replay' ? 0 : whole(name, 0, 0, most))
  const gatherMs = whole('NEARFIELD_UPSTREAM_GATHER_MS', 2, 0, 1_000)
  return {
    requestsPerMinute: allowed('NEARFIELD_UPSTREAM_REQUESTS_PER_MINUTE', 10_000_000),
    tokensPerMinute: allowed('NEARFIELD_UPSTREAM_TOKENS_PER_MINUTE', 10_000_000_000),
    requestsPerDay: allowed('NEARFIELD_UPSTREAM_REQUESTS_PER_DAY', 1_000_000_000),
    callsAtOnceMax: whole('NEARFIELD_UPSTREAM_CALLS_AT_ONCE_MAX', 16, 1, 1_024),
    gatherMs,
    gatherMsMax: 4 * gatherMs,
    queueTextsMax: whole('NEARFIELD_UPSTREAM_QUEUE_TEXTS_MAX', 16_384, 1, 1_000_000),
    queueTokensMax: 4_000_000,
    callTimeoutMs: whole('NEARFIELD_UPSTREAM_TIMEOUT_MS', 10_000, 10, 600_000),
    replyBytesMax: 64 * 1024 * 1024,
    attemptsMax: 3,
    retryPercentMax: 20,
    retryBurstMax: 32,
    retryPauseMsMax: 200,
    failuresInARowMax: 5,
    breakMs: whole('NEARFIELD_UPSTREAM_BREAK_MS', 2_000, 10, 600_000),
    breakMsMax: 60_000,
    callTokensMax: 20_000,
    bulkPercentMin: 20,
  }
}
