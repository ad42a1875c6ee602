import { ModelError } from './model-error.ts'

/**
 * The safetensors format: a little-endian 64-bit header length, a JSON header that names each tensor's type, shape and
 * byte range, then the bytes. Source: the format section of the safetensors documentation.
 */
export interface TensorFile {
  readonly names: readonly string[]
  /** Free text entries of the header. */
  readonly metadata: Readonly<Record<string, string>>
  /** Whether there is a tensor of this name. */
  has(name: string): boolean
  /** The tensor's numbers, 16-bit floats widened, which is exact. @throws ModelError when it is absent or has another shape */
  floats(name: string, shape: readonly number[]): Float32Array
  /** @throws ModelError when it is absent, has another shape or holds no 32-bit integers */
  integers(name: string, shape: readonly number[]): Int32Array
  /** The numbers as the file has them, for tables too large to widen. @throws ModelError when it is absent or has another type or shape */
  table(name: string, shape: readonly number[]): FloatTable
}

/** Floats of one of the three kinds that weights are published in, little-endian. */
export interface FloatTable {
  readonly type: 'float16' | 'bfloat16' | 'float32'
  readonly bytes: Uint8Array
}

export type TensorData = { readonly shape: readonly number[]; readonly values: Float16Array | Float32Array | Int32Array }

interface Entry {
  readonly type: string
  readonly shape: readonly number[]
  /** Where its numbers lie. */
  readonly begin: number
  readonly end: number
}

/** Bytes that need not be in memory all at once. */
export interface Bytes {
  readonly length: number
  slice(begin: number, end: number): Uint8Array
}

const headerBytesMax = 16 * 1024 * 1024
const bytesPerNumber: Readonly<Record<string, number>> = { BOOL: 1, U8: 1, I8: 1, F16: 2, BF16: 2, F32: 4, I32: 4, F64: 8, I64: 8 }
const floatTypes: Readonly<Record<string, FloatTable['type']>> = { F16: 'float16', BF16: 'bfloat16', F32: 'float32' }

/** @throws ModelError, naming `source`, when the bytes are not a whole safetensors file */
export function readSafetensors(file: Uint8Array | Bytes, source: string): TensorFile {
  const bytes: Bytes = file instanceof Uint8Array ? { length: file.length, slice: (begin, end) => file.subarray(begin, end) } : file
  const { entries, metadata } = readHeader(bytes, source)

  function entry(name: string, shape: readonly number[], types: readonly string[]): Entry {
    const found = entries.get(name)
    if (found === undefined) throw new ModelError(`${source} has no tensor named ${name}.`)
    const wanted = `${types.join(' or ')} [${shape.join(', ')}]`
    const actual = `${found.type} [${found.shape.join(', ')}]`
    if (!types.includes(found.type) || found.shape.join() !== shape.join()) {
      throw new ModelError(`The tensor ${name} of ${source} is ${actual}; it must be ${wanted}.`)
    }
    return found
  }

  function table(name: string, shape: readonly number[]): FloatTable {
    const { type, begin, end } = entry(name, shape, Object.keys(floatTypes))
    return { type: floatTypes[type] ?? 'float32', bytes: bytes.slice(begin, end) }
  }

  return {
    names: [...entries.keys()],
    metadata,
    has: (name) => entries.has(name),
    floats: (name, shape) => widen(table(name, shape)),
    integers(name, shape) {
      const { begin, end } = entry(name, shape, ['I32'])
      return new Int32Array(aligned(bytes.slice(begin, end)))
    },
    table,
  }
}

/** The tensors as one file, the same bytes for the same content. */
export function writeSafetensors(tensors: ReadonlyMap<string, TensorData>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let end = 0
  for (const [name, { shape, values }] of tensors) {
    const begin = end
    end += values.byteLength
    header[name] = { dtype: typeOf(values), shape, data_offsets: [begin, end] }
  }
  // Padded with spaces so that the numbers start at a multiple of eight, as the format asks.
  const json = Buffer.from(JSON.stringify(header))
  const padded = Math.ceil(json.length / 8) * 8
  const file = Buffer.alloc(8 + padded + end, 0x20)
  file.writeBigUInt64LE(BigInt(padded), 0)
  json.copy(file, 8)
  let offset = 8 + padded
  for (const { values } of tensors.values()) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset)
    offset += values.byteLength
  }
  return file
}

function typeOf(values: TensorData['values']): string {
  if (values instanceof Float16Array) return 'F16'
  return values instanceof Float32Array ? 'F32' : 'I32'
}

function readHeader(bytes: Bytes, source: string): { entries: Map<string, Entry>; metadata: Record<string, string> } {
  const broken = (what: string) => new ModelError(`${source} is not a whole safetensors file: ${what}.`)
  if (bytes.length < 8) throw broken('it is shorter than its length field')
  const headerLength = Buffer.from(bytes.slice(0, 8)).readBigUInt64LE()
  if (headerLength > headerBytesMax || headerLength > bytes.length - 8) throw broken('its header reaches beyond its end')
  const dataStart = 8 + Number(headerLength)
  const header = parseObject(new TextDecoder().decode(bytes.slice(8, dataStart)))
  if (header === undefined) throw broken('its header is not a JSON object')
  const entries = new Map<string, Entry>()
  const metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(header)) {
    if (!isRecord(value)) throw broken(`the header of ${name} is not an object`)
    if (name === '__metadata__') {
      for (const [key, text] of Object.entries(value)) if (typeof text === 'string') metadata[key] = text
      continue
    }
    const { dtype, shape, data_offsets: range } = value
    const width = typeof dtype === 'string' ? bytesPerNumber[dtype] : undefined
    if (typeof dtype !== 'string' || width === undefined || !isSizes(shape) || !isSizes(range))
      throw broken(`the header of ${name} is incomplete`)
    const [begin = 0, end = 0] = range
    const size = shape.reduce((product, length) => product * length, width)
    if (range.length !== 2 || end - begin !== size || end > bytes.length - dataStart)
      throw broken(`the bytes of ${name} do not fit its shape`)
    entries.set(name, { type: dtype, shape, begin: dataStart + begin, end: dataStart + end })
  }
  return { entries, metadata }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}

/** A copy that starts where a typed array may; a Buffer's own `slice` would not copy. */
function aligned(raw: Uint8Array): ArrayBuffer {
  return new Uint8Array(raw).buffer
}

/** A table in 16-bit floats; as it is, where it is no larger or a number would not fit. */
export function narrow(table: FloatTable): FloatTable {
  if (table.type !== 'float32') return table
  const halves = new Float16Array(widen(table))
  return halves.some((value) => !Number.isFinite(value)) ? table : { type: 'float16', bytes: new Uint8Array(halves.buffer) }
}

/** The numbers of a table as 32-bit floats; every 16-bit float, of either kind, is one of those. */
export function widen({ type, bytes }: FloatTable): Float32Array {
  const buffer = aligned(bytes)
  if (type === 'float32') return new Float32Array(buffer)
  if (type === 'float16') return new Float32Array(new Float16Array(buffer))
  // A bfloat16 is the upper half of a 32-bit float.
  const upper = new Uint16Array(buffer)
  const whole = new Uint32Array(upper.length)
  for (let index = 0; index < upper.length; index++) whole[index] = (upper[index] ?? 0) << 16
  return new Float32Array(whole.buffer)
}
