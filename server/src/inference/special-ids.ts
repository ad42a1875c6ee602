import { field, list, text, whole } from './tokenizer-json.ts'

/** The ids that a tokenizer puts around one text. */
export interface SpecialIds {
  readonly startIds: readonly number[]
  readonly endIds: readonly number[]
}

const none: SpecialIds = { startIds: [], endIds: [] }

/** Reads the `post_processor` of a tokenizer.json. @throws Error when it is of an unknown kind */
export function readSpecialIds(description: unknown): SpecialIds {
  return idsOf(field(description, 'post_processor') ?? null)
}

function idsOf(processor: unknown): SpecialIds {
  if (processor === null) return none
  const type = text(processor, 'type')
  // It changes where tokens are said to stand in the text, not which ones there are.
  if (type === 'ByteLevel') return none
  if (type === 'TemplateProcessing') return idsOfTemplate(processor)
  if (type === 'BertProcessing' || type === 'RobertaProcessing') {
    return { startIds: [idOfPair(processor, 'cls')], endIds: [idOfPair(processor, 'sep')] }
  }
  if (type === 'Sequence') return list(processor, 'processors').map(idsOf).reduce(around, none)
  throw new Error(`its post_processor ${type} is unknown`)
}

/** A later processor puts its tokens outside those of the ones before. */
function around(inner: SpecialIds, outer: SpecialIds): SpecialIds {
  return { startIds: [...outer.startIds, ...inner.startIds], endIds: [...inner.endIds, ...outer.endIds] }
}

function idsOfTemplate(processor: unknown): SpecialIds {
  const parts = list(processor, 'single')
  const place = parts.findIndex((part) => field(part, 'Sequence') !== undefined)
  if (place < 0) throw new Error('its post_processor has no place for the text')
  const ids = (some: readonly unknown[]) => some.flatMap((part) => idsOfPart(processor, part))
  return { startIds: ids(parts.slice(0, place)), endIds: ids(parts.slice(place + 1)) }
}

function idsOfPart(processor: unknown, part: unknown): number[] {
  const name = text(field(part, 'SpecialToken'), 'id')
  return list(field(field(processor, 'special_tokens'), name), 'ids').map((id) => whole(id, name))
}

function idOfPair(processor: unknown, name: string): number {
  return whole(list(processor, name)[1], name)
}
