import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import type { NearfieldError } from './errors.ts'

/** What is said about a finished request: ids, counts and times; never a text, never a key. */
export interface RequestRecord {
  readonly requestId: string
  readonly method: string
  /** The route's pattern, never the address as sent: that may hold a key. */
  readonly route: string | undefined
  readonly status: number
  readonly ms: number
  readonly facts: Readonly<Record<string, string | number | boolean>> | undefined
}

export interface Telemetry {
  readonly log: Logger
  requestDone(record: RequestRecord): void
  /** Says why a request failed where that is our fault; a caller's own mistake is the caller's business. */
  requestFailed(requestId: string, error: NearfieldError): void
  /** Writes what is still in memory. Later lines are written only when many have gathered. */
  close(): void
}

/** Names under which a secret or a text could travel. They are removed wherever they stand, two levels deep. */
const secretNames = ['secret', 'apiKey', 'authorization', 'x-api-key', 'password', 'databaseUrl', 'text', 'input', 'inputs', 'prompt']

const gatheredBytesMax = 8_192
const gatherMs = 200

/**
 * Structured logs, one JSON line each, to standard error: standard output belongs to the person at the terminal. Lines
 * gather for a moment and are written together, in the background: a write of its own for every request would cost more
 * than answering it costs here. `close` before exit.
 */
export function createTelemetry({ logLevel }: Pick<Config, 'logLevel'>, stream?: DestinationStream): Telemetry {
  const file = stream === undefined ? destination({ fd: 2, sync: false, minLength: gatheredBytesMax }) : undefined
  const writer = setInterval(() => file?.flush(), gatherMs).unref()
  const target = stream ?? file ?? process.stderr
  const common = { level: logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } }
  const redact = { paths: secretNames.flatMap((name) => [`["${name}"]`, `*["${name}"]`]), remove: true }
  const log = pino({ ...common, serializers: { err: safeError }, redact }, target)
  // What a request's line may hold is fixed by its type, so looking for secrets in every one would only cost time.
  const requests = pino(common, target)
  const logsRequests = log.isLevelEnabled('info')
  return {
    log,
    requestDone({ facts, ms, ...record }) {
      if (logsRequests) requests.info({ ...record, ms: Math.round(ms * 1_000) / 1_000, ...facts }, 'request')
    },
    requestFailed(requestId, error) {
      if (error.status >= 500) log.error({ requestId, code: error.code, err: error.cause ?? error }, 'request failed')
    },
    close: () => {
      clearInterval(writer)
      file?.flushSync()
    },
  }
}

function levelName(label: string) {
  return { level: label }
}

interface LoggedError {
  readonly type: string
  readonly message: string
  readonly stack: string | undefined
  readonly cause?: LoggedError
}

/**
 * An error as it may be logged. The message of a database error can carry bound parameters, and the message of a
 * parser error a piece of the text, so only our own errors and plain program errors keep theirs.
 */
function safeError(thrown: unknown, depth = 0): LoggedError {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: 'not an error object', stack: undefined }
  const keepsMessage = !('query' in thrown) && !('params' in thrown) && !(thrown instanceof SyntaxError)
  const frames = thrown.stack?.slice(thrown.stack.indexOf('\n    at '))
  return {
    type: thrown.name,
    message: keepsMessage ? thrown.message.slice(0, 1_000) : 'withheld: it may hold data',
    stack: frames,
    ...(thrown.cause === undefined || depth > 3 ? {} : { cause: safeError(thrown.cause, depth + 1) }),
  }
}
