import { ModelError } from './model-error.ts'

/** One file of an archive. */
export interface TarEntry {
  readonly name: string
  readonly bytes: number
}

export const blockBytes = 512
/** Eleven octal digits. */
export const tarFileBytesMax = 8 ** 11 - 1

/**
 * The header block of a file, the same for the same name and size: no owner, no times.
 * Format: POSIX.1-1988 "ustar" interchange format.
 * @throws ModelError when the name or the size does not fit the format
 */
export function tarHeader({ name, bytes }: TarEntry): Uint8Array {
  const [prefix, rest] = splitName(name)
  if (bytes > tarFileBytesMax) throw new ModelError(`${name} has ${bytes} bytes; an archive holds files of up to ${tarFileBytesMax}.`)
  const block = Buffer.alloc(blockBytes)
  block.write(rest, fields.name.at, 'latin1')
  for (const { at, value } of fixedFields) block.write(value, at, 'latin1')
  block.write(`${octal(bytes, fields.size.length - 1)}\0`, fields.size.at, 'latin1')
  block.write(prefix, fields.prefix.at, 'latin1')
  block.write(`${octal(checksumOf(block), 6)}\0 `, fields.checksum.at, 'latin1')
  return block
}

/**
 * Reads a header block; `undefined` for a block of zeros, which ends an archive. Plain files alone are read: a link, a
 * folder, a device or an extension of the format is refused.
 * @throws ModelError
 */
export function parseTarHeader(block: Uint8Array): TarEntry | undefined {
  const header = Buffer.from(block)
  if (header.every((byte) => byte === 0)) return undefined
  if (number(header, fields.checksum) !== checksumOf(header))
    throw new ModelError('The archive is damaged: the checksum of a header is wrong.')
  const name = [text(header, fields.prefix), text(header, fields.name)].filter((part) => part !== '').join('/')
  const type = text(header, fields.type)
  if (text(header, fields.magic) !== 'ustar' || (type !== '0' && type !== '')) {
    throw new ModelError(`The archive has an entry that is no plain file. Only archives of nearfield models export are read.`)
  }
  const bytes = number(header, fields.size)
  if (bytes === undefined) throw new ModelError('The archive is damaged: a file has no size.')
  return { name, bytes }
}

/** Zero bytes after a file of so many bytes, up to a whole block. */
export function paddingAfter(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes
}

interface Field {
  readonly at: number
  readonly length: number
}

const fields = {
  name: { at: 0, length: 100 },
  size: { at: 124, length: 12 },
  checksum: { at: 148, length: 8 },
  type: { at: 156, length: 1 },
  magic: { at: 257, length: 6 },
  prefix: { at: 345, length: 155 },
} as const satisfies Record<string, Field>

/** Mode, owner, group, time, type, magic with its version, device numbers. */
const fixedFields = [
  { at: 100, value: '0000644\0' },
  { at: 108, value: '0000000\0' },
  { at: 116, value: '0000000\0' },
  { at: 136, value: '00000000000\0' },
  { at: 156, value: '0' },
  { at: 257, value: 'ustar\x0000' },
  { at: 329, value: '0000000\0' },
  { at: 337, value: '0000000\0' },
]

/** A name longer than its field is cut at a slash; the part before it has a field of its own. */
function splitName(name: string): [prefix: string, rest: string] {
  if (name.length <= fields.name.length) return ['', name]
  const slash = name.lastIndexOf('/', fields.prefix.length)
  if (slash > 0 && name.length - slash - 1 <= fields.name.length) return [name.slice(0, slash), name.slice(slash + 1)]
  throw new ModelError(`The name ${name} is too long for an archive.`)
}

function checksumOf(block: Uint8Array): number {
  const { at, length } = fields.checksum
  return block.reduce((sum, byte, index) => sum + (index >= at && index < at + length ? 32 : byte), 0)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function text(block: Buffer, { at, length }: Field): string {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.toString('latin1', 0, end === -1 ? length : end)
}

function number(block: Buffer, field: Field): number | undefined {
  const digits = text(block, field).trim()
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}
