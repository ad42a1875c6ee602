import type { Answer, Call } from './attempt.ts'
import type { Calls } from './calls.ts'
import type { OutputType } from './decode-vector.ts'
import { type CallOptions, type EmbeddedTexts, type EmbedOptions, embedCall, readEmbedded, requireVectors } from './embed.ts'
import { RequestFailedError, UnexpectedAnswerError } from './errors.ts'
import { poll, type WaitOptions } from './poll.ts'
import { WireObject } from './wire-object.ts'

/** How far a request is that is answered later. */
export type RequestState = 'QUEUED' | 'PROCESSING' | 'COMPLETED' | 'FAILED'

const states: readonly string[] = ['QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED']
const defaults = { timeoutMs: 600_000, pollMs: 1_000 }

/**
 * Texts that were handed in and whose vectors are fetched later, by this program or by another that knows `id` and has a key of the
 * same account. Paid once they are embedded; a server keeps them for an hour unless it was set otherwise.
 */
export class LaterEmbeddings<Type extends OutputType = 'float'> {
  readonly id: string
  readonly #calls: Calls
  readonly #outputType: Type
  readonly #count: number | undefined

  /** @param count of the texts, where it is known */
  constructor(calls: Calls, id: string, outputType: Type, count?: number) {
    this.id = id
    this.#calls = calls
    this.#outputType = outputType
    this.#count = count
  }

  /** How far they are. @throws NotFoundError when they have expired, or never were */
  async status(options: CallOptions = {}): Promise<RequestState> {
    try {
      return stateOf((await this.#calls.make(this.#get('/status', options))).body)
    } catch (error) {
      if (error instanceof RequestFailedError) return 'FAILED'
      throw error
    }
  }

  /**
   * The vectors; `undefined` while they are not there.
   * @throws RequestFailedError when it has failed, unpaid; NotFoundError when it has expired, or never was
   */
  async result(options: CallOptions = {}): Promise<EmbeddedTexts<Type> | undefined> {
    const answer = await this.#calls.make(this.#get('', options))
    if (stateOf(answer.body) !== 'COMPLETED') return undefined
    const embedded = readResult(answer, this.id, this.#outputType)
    return this.#count === undefined ? embedded : requireVectors(embedded, this.#count)
  }

  /**
   * Asks until the vectors are there.
   * @throws TimeoutError after `timeoutMs`, ten minutes when left out: the request goes on; otherwise as `result`
   */
  wait(options: WaitOptions = {}): Promise<EmbeddedTexts<Type>> {
    const { timeoutMs = defaults.timeoutMs, pollMs = defaults.pollMs } = options
    const ask = async (signal: AbortSignal) => {
      // The result may be large, and until it is there its address only says how far it is.
      const state = await this.status({ signal })
      return state === 'COMPLETED' || state === 'FAILED' ? await this.result({ signal }) : undefined
    }
    return poll(`Request ${this.id}`, ask, { ...options, timeoutMs, pollMs })
  }

  /** The addresses in the server's answers are not followed: they would carry the key wherever they point. */
  #get(part: '' | '/status', { signal }: CallOptions): Call {
    return { path: `/v2/requests/${encodeURIComponent(this.id)}${part}`, signal }
  }
}

/** Hands texts in. */
export async function embedLater<Type extends OutputType>(
  calls: Calls,
  texts: readonly string[],
  options: EmbedOptions<Type> & { readonly model: string; readonly outputType: Type },
): Promise<LaterEmbeddings<Type>> {
  const { body } = await calls.make(embedCall('/v2/', texts, options))
  return new LaterEmbeddings(calls, body.string('request_id'), options.outputType, texts.length)
}

function stateOf(body: WireObject): RequestState {
  const state = body.string('status')
  const known = states.find((candidate): candidate is RequestState => candidate === state)
  if (known !== undefined) return known
  throw new UnexpectedAnswerError('The answer has a status that there is not.', { status: 200 })
}

/** `output` is a string that holds what the call would have answered at once; what stands in its headers is in `metrics` here. */
function readResult<Type extends OutputType>({ body, headers }: Answer, id: string, outputType: Type): EmbeddedTexts<Type> {
  const metrics = body.object('metrics')
  const paid = { cost: metrics.number('cost'), remaining: metrics.number('remaining_credits') }
  return readEmbedded({ body: parse(body.string('output')), headers }, outputType, paid, id)
}

function parse(output: string): WireObject {
  try {
    return new WireObject(JSON.parse(output), 'the output')
  } catch (cause) {
    if (cause instanceof UnexpectedAnswerError) throw cause
    throw new UnexpectedAnswerError('The output of the request is no JSON.', { status: 200, cause })
  }
}
