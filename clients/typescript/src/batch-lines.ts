import type { TaskType } from './embed.ts'

/** A text of a batch. */
export interface BatchItem {
  /** By which its result is known, unique in the batch; its position, such as `0`, when left out. */
  readonly id?: string | undefined
  readonly text: string
  /** Where it is another than that of the batch. */
  readonly taskType?: TaskType | undefined
}

/** Items one by one, or a file of lines in OpenAI's format that is there already. */
export type BatchContent = Iterable<string | BatchItem> | AsyncIterable<string | BatchItem> | Blob

/** What all texts of a batch are embedded with, as the fields of a request are called. */
export type BatchFields = Readonly<Record<string, unknown>>

/** Characters that are put into the file at once. */
const pieceCharacters = 64 * 1024

/**
 * The file of a batch. Items are taken as they come, and no more of them is held than the file itself; a browser may keep that on disk.
 * @throws RangeError when there are no items, or an id comes twice; TypeError for a text, because a file of lines is a Blob
 */
export async function batchFile(content: BatchContent, fields: BatchFields): Promise<Blob> {
  if (content instanceof Blob) return content
  // A text is a list of its characters, and nobody means that.
  if (typeof content === 'string') throw new TypeError('A batch is a list of texts, or a Blob of lines: new Blob([text])')
  const pieces: Blob[] = []
  const ids = new Set<string>()
  let lines = ''
  for await (const item of content) {
    const { id = String(ids.size), text, taskType }: BatchItem = typeof item === 'string' ? { text: item } : item
    if (ids.has(id)) throw new RangeError(`Two items of the batch have the id ${JSON.stringify(id)}`)
    ids.add(id)
    const body = { ...fields, input: text, ...(taskType !== undefined && { task_type: taskType }) }
    lines += `${JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/embeddings', body })}\n`
    if (lines.length < pieceCharacters) continue
    pieces.push(new Blob([lines]))
    lines = ''
  }
  if (ids.size === 0) throw new RangeError('There are no texts to embed')
  return new Blob([...pieces, lines])
}
