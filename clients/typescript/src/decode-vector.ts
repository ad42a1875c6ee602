/** What a vector is, by the output type asked for. */
export interface VectorTypes {
  /** `[dimensions]`, 32-bit floats. */
  float: Float32Array
  /** `[dimensions]`, `round(x * 127)`. */
  int8: Int8Array
  /** `[dimensions]`, the same plus 128. */
  uint8: Uint8Array
  /** `[dimensions / 8]`, the bytes of `ubinary` less 128. */
  binary: Int8Array
  /** `[dimensions / 8]`, a bit a number, the first in the highest place; 1 is above zero. */
  ubinary: Uint8Array
}

export type OutputType = keyof VectorTypes

const decoders: { readonly [Type in OutputType]: (bytes: Uint8Array) => VectorTypes[Type] } = {
  float: floatsOf,
  int8: signed,
  uint8: (bytes) => bytes,
  binary: signed,
  ubinary: (bytes) => bytes,
}

/** The vector whose little-endian bytes `base64` holds. @throws Error when it is no base64, empty, or not whole numbers */
export function decodeVector<Type extends OutputType>(base64: string, type: Type): VectorTypes[Type] {
  const bytes = bytesOf(base64)
  if (bytes.length === 0) throw new Error('there are no numbers')
  return decoders[type](bytes)
}

function bytesOf(base64: string): Uint8Array {
  const characters = atob(base64)
  const bytes = new Uint8Array(characters.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index)
  return bytes
}

/** Read one by one, so that the byte order of this machine does not matter. */
function floatsOf(bytes: Uint8Array): Float32Array {
  if (bytes.length % 4 !== 0) throw new Error('the bytes are not whole 32-bit floats')
  const view = new DataView(bytes.buffer)
  const floats = new Float32Array(bytes.length / 4)
  for (let index = 0; index < floats.length; index++) floats[index] = view.getFloat32(index * 4, true)
  return floats
}

function signed(bytes: Uint8Array): Int8Array {
  return new Int8Array(bytes.buffer)
}
