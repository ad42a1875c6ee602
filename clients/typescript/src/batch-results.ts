import type { OutputType, VectorTypes } from './decode-vector.ts'
import { readVector } from './embed.ts'
import { type NearfieldError, NotRunError, UnexpectedAnswerError } from './errors.ts'
import { refusalOf } from './refusal.ts'
import { WireObject } from './wire-object.ts'

/** What one item of a batch came to. */
export type BatchResult<Type extends OutputType = 'float'> = EmbeddedItem<Type> | FailedItem

export interface EmbeddedItem<Type extends OutputType> {
  /** That of the item. */
  readonly id: string
  readonly vector: VectorTypes[Type]
  /** Names the vector space. Vectors of two spaces must not be compared. */
  readonly space: string | undefined
  /** Whether the text was shortened. */
  readonly truncated: boolean
  /** Tokens billed. */
  readonly tokens: number
  readonly error?: undefined
}

/** It was refused, or never run, and cost nothing. */
export interface FailedItem {
  readonly id: string
  readonly error: NearfieldError
  readonly vector?: undefined
}

/**
 * A line of an output or error file. Source: OpenAI's guide to batches.
 * @throws UnexpectedAnswerError when it is none, or has not one vector
 */
export function readResult<Type extends OutputType>(line: string, outputType: Type): BatchResult<Type> {
  const wire = parse(line, 'a line of the results')
  const id = wire.string('custom_id')
  const response = wire.optional('response', (name) => wire.object(name))
  if (response === undefined) {
    const error = wire.object('error')
    return { id, error: new NotRunError(error.string('message'), error.string('code')) }
  }
  const status = response.number('status_code')
  const body = response.object('body')
  if (status !== 200) return { id, error: refusalOf(responseOf(status, response), JSON.stringify(body), undefined) }
  const [embedding, ...more] = body.objects('data')
  if (embedding === undefined || more.length > 0)
    throw new UnexpectedAnswerError(`The item ${JSON.stringify(id)} has not one vector.`, { status: 200 })
  const headers = response.optional('headers', (name) => response.object(name).stringsByName()) ?? {}
  return {
    id,
    vector: readVector(embedding.string('embedding'), outputType),
    space: headers['x-nearfield-space'],
    truncated: headers['x-nearfield-truncated'] !== undefined,
    tokens: body.object('usage').number('total_tokens'),
  }
}

/** The id of an item in the file that a batch was made of. */
export function readItemId(line: string): string {
  return parse(line, 'a line of the batch').string('custom_id')
}

/**
 * Results in the order of the items, from ones in any order. Those that come before their turn are held until then; so `failures`,
 * which are small, are read first, and of `successes` no more than the next turn takes.
 */
export async function* inOrder<Result extends { readonly id: string }>(
  ids: AsyncIterable<string>,
  successes: AsyncIterable<Result>,
  failures: AsyncIterable<Result>,
): AsyncGenerator<Result | { readonly id: string; readonly error: NearfieldError }> {
  const held = new Map<string, Result>()
  for await (const failure of failures) held.set(failure.id, failure)
  const coming = successes[Symbol.asyncIterator]()
  try {
    for await (const id of ids) {
      let result = held.get(id)
      while (result === undefined) {
        const { done, value } = await coming.next()
        if (done === true) break
        if (value.id === id) result = value
        else held.set(value.id, value)
      }
      held.delete(id)
      yield result ?? { id, error: new NotRunError('The batch has no result of this item.', 'batch_no_result') }
    }
  } finally {
    await coming.return?.()
  }
}

function responseOf(status: number, response: WireObject): { status: number; statusText: string; headers: Headers } {
  const requestId = response.optional('request_id', (name) => response.string(name))
  return { status, statusText: '', headers: new Headers(requestId === undefined ? {} : { 'x-request-id': requestId }) }
}

function parse(line: string, place: string): WireObject {
  try {
    return new WireObject(JSON.parse(line), place)
  } catch (cause) {
    if (cause instanceof UnexpectedAnswerError) throw cause
    throw new UnexpectedAnswerError(`${place} is no JSON.`, { status: 200, cause })
  }
}
