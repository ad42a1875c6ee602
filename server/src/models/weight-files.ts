import { closeSync, openSync, readSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { type Bytes, readSafetensors, type TensorFile } from './safetensors.ts'
import { provenPath } from './whole-file.ts'

const indexSuffix = '.index.json'

/** The files that weights lie in: one, or the shards an index such as `model.safetensors.index.json` names. @throws ModelError */
export async function weightFiles(files: ModelFiles, name: string): Promise<readonly string[]> {
  if (!name.endsWith(indexSuffix)) return [name]
  const index: unknown = JSON.parse(new TextDecoder().decode(await files.read(name)))
  const map: unknown = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined
  const shards = [...new Set(Object.values(map ?? {}))]
  const folder = name.slice(0, name.lastIndexOf('/') + 1)
  if (shards.length > 0 && shards.every((shard) => typeof shard === 'string')) return shards.map((shard) => folder + shard).toSorted()
  throw new ModelError(`${name} has no weight_map that names files.`)
}

/** The tensors of weights, whether they lie in one file or in several. @throws ModelError when a file is missing, altered or not whole */
export async function readTensors(files: ModelFiles, name: string): Promise<TensorFile> {
  const shards: TensorFile[] = []
  for (const shard of await weightFiles(files, name)) shards.push(readSafetensors(await bytesOnDisk(files, shard), shard))
  const [first] = shards
  if (first === undefined) throw new ModelError(`${name} names no file of weights.`)
  return shards.length === 1 ? first : joined(shards, first)
}

/** A proved file, read piece by piece: weights may be larger than a buffer can be. */
async function bytesOnDisk(files: ModelFiles, name: string): Promise<Bytes> {
  const path = await provenPath(files, name)
  const { size } = await stat(path)
  return {
    length: size,
    slice(begin, end) {
      const piece = new Uint8Array(end - begin)
      const file = openSync(path, 'r')
      try {
        for (let filled = 0; filled < piece.length; ) {
          const count = readSync(file, piece, filled, Math.min(piece.length - filled, readBytesMax), begin + filled)
          if (count === 0) throw new ModelError(`The model file ${path} was cut short while it was read.`)
          filled += count
        }
      } finally {
        closeSync(file)
      }
      return piece
    },
  }
}

const readBytesMax = 2 ** 30

/** What no shard has is looked for in the first, whose message says so. */
function joined(shards: readonly TensorFile[], first: TensorFile): TensorFile {
  const holder = (tensor: string) => shards.find((shard) => shard.has(tensor)) ?? first
  return {
    names: shards.flatMap((shard) => shard.names),
    metadata: first.metadata,
    has: (tensor) => shards.some((shard) => shard.has(tensor)),
    floats: (tensor, shape) => holder(tensor).floats(tensor, shape),
    integers: (tensor, shape) => holder(tensor).integers(tensor, shape),
    table: (tensor, shape) => holder(tensor).table(tensor, shape),
  }
}
