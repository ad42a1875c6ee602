import { readFile, stat } from 'node:fs/promises'
import { type GoldenText, writeGolden } from './golden.ts'
import { ModelError } from './model-error.ts'
import { recordOf } from './model-manifest.ts'
import { ownerRecords } from './model-records.ts'
import { resolveModel } from './resolve-model.ts'

const fileBytesMax = 128 * 1024 * 1024
const linesMax = 5_000

/** Golden texts as they were kept. */
export interface KeptGolden {
  readonly model: string
  readonly texts: number
  /** Whether the token ids of the reference came with them. */
  readonly withIds: boolean
  readonly folder: string
}

/**
 * Keeps what a model's reference implementation makes of some texts, so that its graphs are held to that from now on. Each
 * line of the file is a JSON object: `text`, its vector as `embedding`, and, better, its token ids with their special
 * tokens as `ids`.
 * @throws ModelError naming the line that cannot be used
 */
export async function keepGolden(name: string, file: string, dataDirectory: string): Promise<KeptGolden> {
  const { card } = await resolveModel(name, dataDirectory)
  const size = await stat(file).then(
    (found) => found.size,
    (cause: unknown) => {
      throw new ModelError(`The file ${file} cannot be read.`, { cause })
    },
  )
  if (size > fileBytesMax) throw new ModelError(`${file} has ${size} bytes; ${fileBytesMax} is the most.`)
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '')
  if (lines.length === 0 || lines.length > linesMax)
    throw new ModelError(`${file} has ${lines.length} texts; it must have 1 to ${linesMax}.`)
  const golden = lines.map((line, index) => readLine(line, card.dimensions, `Line ${index + 1} of ${file}`))
  const folder = ownerRecords(dataDirectory, card.name)
  await writeGolden(folder, golden)
  return { model: card.name, texts: golden.length, withIds: golden.every(({ ids }) => ids !== undefined), folder }
}

function readLine(line: string, dimensions: number, where: string): GoldenText & { readonly vector: Float32Array } {
  const refuse = (what: string): never => {
    throw new ModelError(`${where} ${what}.`)
  }
  const { text, embedding, ids } = recordOf(parse(line)) ?? refuse('is not a JSON object')
  if (typeof text !== 'string' || text === '') return refuse('has no text')
  if (!isNumbers(embedding) || embedding.length !== dimensions) return refuse(`has no embedding of ${dimensions} numbers`)
  const length = Math.hypot(...embedding)
  if (!(length > 0)) return refuse('has an embedding of zeros')
  if (ids !== undefined && !(isNumbers(ids) && ids.length > 0 && ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31))) {
    return refuse('has ids that are not token ids')
  }
  return {
    text,
    ids: ids === undefined ? undefined : Int32Array.from(ids),
    vector: Float32Array.from(embedding, (value) => value / length),
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item))
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
