import type { RateLimitState } from './access/access.ts'
import type { EmbedRequest, InputReport, OutputType, TaskType, Truncate } from './embedding/request.ts'
import { answerSpace, requireSpace } from './embedding/space.ts'
import { ThreadTurns } from './embedding/thread-turns.ts'
import { type ErrorCode, NearfieldError } from './errors.ts'
import { type Caller, type LoadedModel, type Served, type Services, serve } from './serve.ts'

/** A text with everything that is its own. */
export interface Item {
  readonly text: string
  readonly taskType: TaskType
  readonly title: string | undefined
  /** Length of its vector; `undefined` means the deployment's default. */
  readonly dimensions: number | undefined
  readonly truncate: Truncate
}

export interface ItemsRequest {
  readonly deployment: string
  /** What was wrong with an item before it came here stands in its place. */
  readonly items: readonly (Item | NearfieldError)[]
  readonly outputType: OutputType
}

/** An item whose vector there is. */
export interface DeliveredItem {
  /** Unit length, of its own dimensions. */
  readonly vector: Float32Array
  readonly report: InputReport
  readonly space: string
}

export interface ServedItems {
  /** The one embedding request behind them; none when no item could be embedded. */
  readonly served: Served | undefined
  /** `[items]`: what became of each. */
  readonly outcomes: readonly (DeliveredItem | NearfieldError)[]
}

/** What is wrong with one text and says nothing about the others. */
const itemErrors: ReadonlySet<ErrorCode> = new Set(['invalid_request', 'input_too_long', 'space_mismatch'])

/** An item that can be embedded, and the space that its vector will be in. */
interface Embeddable {
  readonly item: Item
  readonly space: string
}

/**
 * Embeds the items that can be embedded, as one ordinary request: one id, one charge, for these alone. Each is looked at by
 * itself before, so that a bad one keeps nothing from the others.
 * @throws NearfieldError as `serve` does for what concerns all of them
 */
export async function serveItems(request: ItemsRequest, caller: Caller, services: Services): Promise<ServedItems> {
  const { checked, counted } = await checkItems(request, caller, services)
  const embeddable = checked.flatMap((result) => (result instanceof NearfieldError ? [] : [result]))
  // Each item's space was checked, and the names of several are not one to compare with.
  const rest = { ...caller, counted, pinnedSpace: undefined }
  const served = embeddable.length === 0 ? undefined : await serve(embedRequest(request, embeddable), rest, services)
  let delivered = 0
  const outcomes = checked.map((result) => {
    if (result instanceof NearfieldError) return result
    const vector = served?.vectors[delivered]
    const report = served?.reports[delivered]
    if (vector === undefined || report === undefined) throw new RangeError('an item has no vector')
    delivered++
    return { vector, report, space: result.space }
  })
  return { served, outcomes }
}

interface Checked {
  readonly checked: readonly (Embeddable | NearfieldError)[]
  readonly counted: RateLimitState
}

async function checkItems(request: ItemsRequest, caller: Caller, { models, access }: Services): Promise<Checked> {
  const { deployment, lease } = await models.find(request.deployment)
  access.authorize(caller.principal, deployment)
  const counted = access.countRequest(caller.principal)
  using model = await lease(caller)
  const checked: (Embeddable | NearfieldError)[] = []
  const turns = new ThreadTurns()
  for (const [index, item] of request.items.entries()) {
    if (item instanceof NearfieldError) {
      checked.push(item)
      continue
    }
    checked.push(await check(item, index, model))
    if (turns.isOver(item.text.length)) await turns.letOthers(caller.signal)
  }
  return { checked, counted }

  async function check(item: Item, index: number, loaded: LoadedModel): Promise<Embeddable | NearfieldError> {
    try {
      const prepared = await loaded.prepare(embedRequest(request, [{ item }]), deployment)
      const itemSpace = answerSpace(loaded, prepared)
      requireSpace(caller.pinnedSpace, itemSpace)
      return { item, space: itemSpace }
    } catch (thrown) {
      if (!(thrown instanceof NearfieldError && itemErrors.has(thrown.code))) throw thrown
      return placedAt(index, thrown)
    }
  }
}

function embedRequest({ deployment, outputType }: ItemsRequest, embeddable: readonly Pick<Embeddable, 'item'>[]): EmbedRequest {
  const items = embeddable.map(({ item }) => item)
  return {
    deployment,
    inputs: items.map(({ text }) => text),
    taskType: items.map(({ taskType }) => taskType),
    titles: items.map(({ title }) => title),
    dimensions: items.map(({ dimensions }) => dimensions),
    outputType,
    // Together they are only those that fit, or that may be shortened.
    truncate: items.every(({ truncate }) => truncate === 'error') ? 'error' : 'end',
  }
}

/** An item was looked at as if it were the only one; its error names where it stands. */
function placedAt(item: number, { code, message, details, cause }: NearfieldError): NearfieldError {
  const { index: _index, ...rest } = details
  return new NearfieldError(code, message.replace(/\binput 0\b/i, `\`items[${item}]\``), { cause, details: rest })
}
