import type { OutputType, TaskType, Truncate } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import type { ItemsBody } from './schema.ts'

export interface DecodedItem {
  readonly text: string
  readonly taskType: TaskType
  readonly title: string | undefined
  readonly dimensions: number | undefined
  readonly truncate: Truncate
}

/** A decoded call, with what its reply will need. */
export interface ItemsCall {
  readonly deployment: string | undefined
  /** What is wrong with an item stands in its place. */
  readonly items: readonly (DecodedItem | NearfieldError)[]
  readonly ids: readonly (string | undefined)[]
  readonly outputType: OutputType
  readonly encoding: 'float' | 'base64'
}

/**
 * Translates a body that fits the schema of `POST /v1/embed`.
 * @throws NearfieldError `invalid_request` when there are too many items
 */
export function decode(body: ItemsBody, { inputsMax }: { readonly inputsMax: number }): ItemsCall {
  const { items } = body
  if (items.length > inputsMax) {
    throw new NearfieldError(
      'invalid_request',
      `\`items\` holds ${items.length} items; at most ${inputsMax} fit one request. Split the list.`,
      {
        details: { field: 'items' },
      },
    )
  }
  return {
    deployment: body.model ?? undefined,
    items: items.map((item, index) => decodeItem(item, index, body)),
    ids: items.map(({ id }) => id ?? undefined),
    outputType: body.output_dtype ?? 'float',
    encoding: body.encoding_format ?? 'float',
  }
}

function decodeItem(item: ItemsBody['items'][number], index: number, defaults: ItemsBody): DecodedItem | NearfieldError {
  const [text, another] = [item.text ?? undefined, item.content ?? undefined].filter((one) => one !== undefined)
  if (text === undefined) return invalid(`\`items[${index}]\` has no \`text\`. Send a string.`)
  if (another !== undefined)
    return invalid(`\`text\` and \`content\` of \`items[${index}]\` are two names of the same field. Send one of them.`)
  return {
    text,
    taskType: item.task_type ?? defaults.task_type ?? 'TASK_TYPE_UNSPECIFIED',
    title: item.title ?? undefined,
    dimensions: item.dimensions ?? defaults.dimensions ?? undefined,
    truncate: item.truncate ?? defaults.truncate ?? 'end',
  }
}

function invalid(message: string): NearfieldError {
  return new NearfieldError('invalid_request', message, { details: { field: 'text' } })
}
