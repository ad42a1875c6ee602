/** A wire format that a client speaks; it decides what a refusal looks like on the wire. */
export type Speaks = 'openai' | 'gemini' | 'segmind' | 'segmind-v2' | 'ollama' | 'cohere' | 'tei' | 'items'

/** What every client is asked to do. */
export const tasks = ['one', 'list', 'dimensions', 'cancellation'] as const

/** What every client is refused. Too many texts may instead be split into several calls by the client itself. */
export const errorKinds = [
  'wrong key',
  'no key',
  'bad field',
  'too many',
  'too long',
  'rate limit',
  'credits',
  'unknown model',
  'overloaded',
  'engine failed',
] as const

export type Task = (typeof tasks)[number]
export type ErrorKind = (typeof errorKinds)[number]
export type Check = Task | ErrorKind

/** One use of a client, as its users would write it. */
export interface Call {
  /** Of the server, without a path. */
  readonly url: string
  /** `null` sends no credential at all. */
  readonly key: string | null
  readonly model: string
  /** A text where the client has a call for one. */
  readonly input: string | readonly string[]
  readonly dimensions?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A package that others publish, used as its own documentation shows. */
export interface Client {
  /** The package and its version, or whose recorded requests these are. */
  readonly name: string
  readonly speaks: Speaks
  /** The vectors `[inputs]`, in order. Whatever the client throws is left as it is; retries are off where they can be. */
  embed(call: Call): Promise<readonly (readonly number[])[]>
  /** The name of what the client throws when it is refused with `status` because of `kind`; several, where time decides, with "or". */
  errorName(status: number, kind: ErrorKind): string
  /** Whether it makes several calls of more texts than one may have. */
  readonly splits?: true
  /** Checks that the client has no way of taking, and why. */
  readonly cannot?: Partial<Record<Check, string>>
}

/** What a user of the client sees of an error. */
export interface SeenError {
  readonly name: string
  readonly status: number | undefined
  readonly message: string
}

/** Reads an error as a program would: its class, its status where it has one, its message. */
export function seen(thrown: unknown): SeenError {
  if (!(thrown instanceof Error)) return { name: typeof thrown, status: undefined, message: String(thrown) }
  const name = thrown.name === 'Error' ? thrown.constructor.name : thrown.name
  const status = ['status', 'statusCode', 'status_code']
    .map((field) => Reflect.get(thrown, field))
    .find((value) => typeof value === 'number')
  return { name, status, message: thrown.message }
}

export function textsOf(input: Call['input']): string[] {
  return typeof input === 'string' ? [input] : [...input]
}
