import { open } from 'node:fs/promises'
import { CommandError } from './exit-code.ts'
import { isObject, type Json } from './json.ts'

export interface SampleOptions {
  /** Texts to keep; of a longer file, so many drawn from all over it. */
  readonly textsMax: number
  /** The field of a JSON line that holds its text. */
  readonly field: string
}

/** Longer lines are no texts to embed. */
const lineCharactersMax = 1_000_000

/**
 * The texts of a file, in its order: a text a line, or in a file that ends in `.jsonl` a JSON string or object a line.
 * Which are drawn depends on the file alone, so the same file gives the same sample.
 * @returns the texts, and how many the file holds
 * @throws CommandError when the file cannot be read or a line is not what its name promises
 */
export async function sampleTexts(file: string, { textsMax, field }: SampleOptions): Promise<{ texts: string[]; total: number }> {
  await using handle = await open(file).catch((cause: unknown) => {
    throw new CommandError(`The file ${file} cannot be read.`, undefined, { cause })
  })
  const kept: { readonly place: number; readonly text: string }[] = []
  const random = numbersFrom(1)
  let total = 0
  let line = 0
  for await (const written of handle.readLines()) {
    line++
    const text = file.endsWith('.jsonl') ? textOf(written, field, `${file}, line ${line}`) : written.trim()
    if (text === '' || text.length > lineCharactersMax) continue
    // Reservoir sampling: every text has the same chance (Vitter, algorithm R).
    const place = total++
    const seat = place < textsMax ? place : Math.floor(random() * total)
    if (seat < textsMax) kept[seat] = { place, text }
  }
  return { texts: kept.sort((a, b) => a.place - b.place).map(({ text }) => text), total }
}

function textOf(line: string, field: string, place: string): string {
  if (line.trim() === '') return ''
  const value = parse(line)
  if (typeof value === 'string') return value.trim()
  const text = isObject(value) ? value[field] : undefined
  if (typeof text === 'string') return text.trim()
  throw new CommandError(`${place}: it must be a JSON string, or an object whose "${field}" is one. Name another field with --field.`)
}

function parse(line: string): Json | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Numbers from 0 to 1, the same for the same seed. Source: Steele, Lea and Flood, SplitMix, in its 32-bit form. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
