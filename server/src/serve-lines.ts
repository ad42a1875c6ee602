import { type EmbedRequest, type InputReport, type TaskType, taskTypeOf } from './embedding/request.ts'
import { answerSpace } from './embedding/space.ts'
import { ThreadTurns } from './embedding/thread-turns.ts'
import { type ErrorCode, NearfieldError } from './errors.ts'
import { type Caller, type Served, type Services, serve } from './serve.ts'

/** One of several requests that are embedded together, with its own part of the answer. */
export interface ServedLine {
  /** The one embedding request behind all of them. */
  readonly served: Served
  /** `[inputs of this line]` */
  readonly vectors: readonly Float32Array[]
  readonly reports: readonly InputReport[]
  readonly space: string
  readonly notes: readonly string[]
  /** Billed tokens of this line. */
  readonly tokens: number
}

/** What is wrong with one line and says nothing about the others. */
const lineErrors: ReadonlySet<ErrorCode> = new Set(['invalid_request', 'input_too_long', 'model_not_found'])

/** A line that can be embedded. */
interface Embeddable extends Pick<ServedLine, 'space' | 'notes' | 'tokens'> {
  readonly index: number
  readonly request: EmbedRequest
}

/** Names what a request has only one of: requests of one kind can be embedded as one. */
export function kindOf({ deployment, normalize, outputType }: EmbedRequest): string {
  return JSON.stringify([deployment, normalize ?? true, outputType])
}

/**
 * Embeds requests of one kind, as one ordinary request: one id, one charge. Each is looked at by itself before, so that a bad one
 * keeps nothing from the others.
 * @returns `[requests]` what became of each
 * @throws NearfieldError as `serve` does for what concerns all of them: nothing was charged then
 */
export async function serveLines(
  requests: readonly EmbedRequest[],
  caller: Caller,
  services: Services,
): Promise<(ServedLine | NearfieldError)[]> {
  const looked: (Embeddable | NearfieldError)[] = []
  const turns = new ThreadTurns()
  for (const [index, request] of requests.entries()) {
    looked.push(await lookAt(request, index, caller, services))
    const characters = request.inputs.reduce((sum, text) => sum + text.length, 0)
    if (turns.isOver(characters)) await turns.letOthers(caller.signal)
  }
  const embeddable = looked.filter((line): line is Embeddable => !(line instanceof NearfieldError))
  const served = embeddable.length === 0 ? undefined : await serve(together(embeddable), caller, services)
  let from = 0
  return looked.map((line) => {
    if (line instanceof NearfieldError) return line
    if (served === undefined) throw new RangeError('a line that can be embedded was not')
    const to = from + line.request.inputs.length
    const own = { vectors: served.vectors.slice(from, to), reports: served.reports.slice(from, to) }
    from = to
    return { served, ...own, space: line.space, notes: line.notes, tokens: line.tokens }
  })
}

async function lookAt(request: EmbedRequest, index: number, caller: Caller, { models, access }: Services) {
  try {
    const { deployment, lease } = await models.find(request.deployment)
    access.authorize(caller.principal, deployment)
    using model = await lease(caller)
    const prepared = await model.prepare(request, deployment)
    return { index, request, space: answerSpace(model, prepared), notes: prepared.warnings, tokens: prepared.tokensBilled }
  } catch (thrown) {
    if (thrown instanceof NearfieldError && lineErrors.has(thrown.code)) return thrown
    throw thrown
  }
}

function together(lines: readonly Embeddable[]): EmbedRequest {
  const requests = lines.map(({ request }) => request)
  const [first] = requests
  if (first === undefined) throw new RangeError('there are no lines')
  if (requests.some((request) => kindOf(request) !== kindOf(first))) throw new RangeError('lines of two kinds are not one request')
  const titles = requests.flatMap((request) => request.inputs.map((_text, input) => request.titles?.[input]))
  return {
    deployment: first.deployment,
    inputs: requests.flatMap(({ inputs }) => inputs),
    taskType: requests.flatMap((request) => request.inputs.map((_text, input): TaskType => taskTypeOf(request, input))),
    ...(titles.some((title) => title !== undefined) && { titles }),
    dimensions: requests.flatMap(({ inputs, dimensions }) =>
      inputs.map((_text, input) => (typeof dimensions === 'object' ? dimensions[input] : dimensions)),
    ),
    ...(first.normalize !== undefined && { normalize: first.normalize }),
    outputType: first.outputType,
    // Together they are only those that fit, or that may be shortened.
    truncate: requests.every(({ truncate }) => truncate === 'error') ? 'error' : 'end',
  }
}
