import { ConfigError, type Environment, names, wholeNumber } from './environment.ts'

/** Where callers may be told of the end of their jobs, and how hard that is tried. Part of `Config`. */
export interface WebhookSettings {
  readonly allow: WebhookAllowance
  /** Of one account. */
  readonly endpointsMax: number
  readonly urlCharactersMax: number
  readonly nameCharactersMax: number
  /** Delay before each attempt, milliseconds after the one before it failed. As many attempts as delays. Source: Standard Webhooks. */
  readonly scheduleMs: readonly number[]
  /** Up to so many percent are added to a delay, so that what failed together does not come back together. */
  readonly jitterPercentMax: number
  /** From the start of an attempt to the last byte that is read of its answer. */
  readonly timeoutMs: number
  /** Read of an answer; nothing of it is kept. */
  readonly answerBytesMax: number
  readonly answerHeadBytesMax: number
  /** Addresses of one name that are tried. */
  readonly addressesMax: number
  /** Deliveries of one server under way. */
  readonly atOnceMax: number
  /** Of them, to one endpoint. */
  readonly endpointAtOnceMax: number
  /** Endpoints of which a server remembers that they are slow or want to be left alone. */
  readonly endpointsRememberedMax: number
  /** Events that one server hands out to endpoints at once. */
  readonly eventsAtOnceMax: number
  /** An endpoint that asks to be left alone without saying how long is given this long. */
  readonly slowDownMs: number
  /** Longest that an endpoint may ask to be left alone. */
  readonly retryAfterMsMax: number
  /** An endpoint is disabled after nothing but failures for so long. */
  readonly failingMsMax: number
  /** How long a secret that was replaced signs along, where its owner wants that. */
  readonly secretOverlapMs: number
  readonly secretBytes: number
  /** How long it can be looked up what became of a delivery. */
  readonly deliveryKeepMs: number
  /** How often older ones are deleted, and how many with one statement. */
  readonly sweepMs: number
  readonly sweepRowsMax: number
}

/** What is open beside public addresses behind https on the ports named here. Nothing is, unless the operator said so. */
export interface WebhookAllowance {
  readonly ports: readonly number[]
  /** Any port, without TLS too, and private addresses. */
  readonly private: boolean
  /** The same for these alone, each a host and a port such as `hooks.internal:9000` or `[::1]:9000`. */
  readonly destinations: ReadonlySet<string>
}

const secondMs = 1_000
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Seconds before each attempt: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Source: Standard Webhooks, retry schedule. */
const standardSchedule = '0,5,300,1800,7200,18000,36000,50400,72000,86400'
const attemptsMost = 20
const delaySecondsMost = 604_800

/** @throws ConfigError */
export function readWebhookSettings(environment: Environment): WebhookSettings {
  const whole = (name: string, fallback: number, least: number, most: number) => wholeNumber(environment, name, fallback, least, most)
  return {
    allow: allowance(environment),
    endpointsMax: whole('NEARFIELD_WEBHOOKS_PER_ACCOUNT_MAX', 20, 1, 1_000),
    urlCharactersMax: 2_048,
    nameCharactersMax: 100,
    scheduleMs: schedule(environment),
    jitterPercentMax: 10,
    timeoutMs: whole('NEARFIELD_WEBHOOKS_TIMEOUT_MS', 15_000, 100, 60_000),
    answerBytesMax: 64 * 1024,
    answerHeadBytesMax: 16 * 1024,
    addressesMax: 8,
    atOnceMax: whole('NEARFIELD_WEBHOOKS_AT_ONCE_MAX', 8, 1, 256),
    endpointAtOnceMax: 5,
    endpointsRememberedMax: 10_000,
    eventsAtOnceMax: 2,
    slowDownMs: 30 * secondMs,
    retryAfterMsMax: dayMs,
    failingMsMax: 5 * dayMs,
    secretOverlapMs: dayMs,
    secretBytes: 32,
    deliveryKeepMs: 30 * dayMs,
    sweepMs: hourMs,
    sweepRowsMax: 1_000,
  }
}

/** `private`, or a list of hosts with their ports. */
function allowance(environment: Environment): WebhookAllowance {
  const entries = names(environment.NEARFIELD_WEBHOOKS_ALLOW ?? '')
  const destinations = entries.filter((entry) => entry !== 'private').map((entry) => destination(entry))
  return { ports: [443, 8_443], private: entries.includes('private'), destinations: new Set(destinations) }
}

/** Each entry opens one port of one host, so that allowing one receiver allows nothing beside it. */
function destination(entry: string): string {
  const port = /:(\d{1,5})$/.exec(entry)?.[1]
  const url = port === undefined ? null : URL.parse(`http://${entry}`)
  if (url !== null && url.pathname === '/' && url.username === '' && url.search === '' && url.hash === '' && Number(port) > 0)
    return `${url.hostname}:${Number(port)}`
  throw new ConfigError(
    `NEARFIELD_WEBHOOKS_ALLOW holds "${entry}"; every entry must be a host and a port such as hooks.internal:9000, or the word private. Leave it out to allow public https addresses only.`,
  )
}

function schedule(environment: Environment): readonly number[] {
  const text = environment.NEARFIELD_WEBHOOKS_SCHEDULE_SECONDS || standardSchedule
  const seconds = names(text)
  const known = seconds.every((entry) => /^\d{1,6}$/.test(entry) && Number(entry) <= delaySecondsMost)
  if (known && seconds.length > 0 && seconds.length <= attemptsMost) return seconds.map((entry) => Number(entry) * secondMs)
  throw new ConfigError(
    `NEARFIELD_WEBHOOKS_SCHEDULE_SECONDS is "${text}"; it must be 1 to ${attemptsMost} whole numbers from 0 to ${delaySecondsMost}, separated by commas: seconds before each attempt. Leave it out for ${standardSchedule}.`,
  )
}
