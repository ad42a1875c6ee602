import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire'
import { ModelError } from './model-error.ts'

/** What must be known of an .onnx file to put something behind it. Field numbers are those of the public onnx.proto3. */
export interface OnnxOutline {
  readonly irVersion: number
  /** Version of ONNX's own operators. */
  readonly operators: number
  readonly inputs: readonly OnnxPort[]
  readonly outputs: readonly OnnxPort[]
}

export interface OnnxPort {
  readonly name: string
  /** Number of the element type: 1 is float32, 10 float16, 7 int64. */
  readonly type: number
  /** Number of axes. */
  readonly rank: number
}

/** Reads the outline of an .onnx file; its weights are stepped over. @throws ModelError naming `source` when it is not whole */
export function readOutline(bytes: Uint8Array, source: string): OnnxOutline {
  let irVersion = 0
  let operators = 0
  const inputs: OnnxPort[] = []
  const outputs: OnnxPort[] = []
  const readGraph = eachField((reader, field) => {
    if (field === 11) inputs.push(readPort(reader))
    else if (field === 12) outputs.push(readPort(reader))
    else return false
    return true
  })
  const readOperators = (reader: BinaryReader) => {
    let [domain, version] = ['', 0]
    eachField((inner, field) => {
      if (field === 1) domain = inner.string()
      else if (field === 2) version = Number(inner.int64())
      else return false
      return true
    })(reader)
    if (domain === '' || domain === 'ai.onnx') operators = version
  }
  try {
    const reader = new BinaryReader(bytes)
    readFields(reader, bytes.length, (inner, field) => {
      if (field === 1) irVersion = Number(inner.int64())
      else if (field === 7) readGraph(inner)
      else if (field === 8) readOperators(inner)
      else return false
      return true
    })
  } catch (cause) {
    throw new ModelError(`${source} is not a whole .onnx file.`, { cause })
  }
  return { irVersion, operators, inputs, outputs }
}

/** Reads a field, or says that it did not. */
type FieldReader = (reader: BinaryReader, field: number, wireType: WireType) => boolean

/** Reads a message that stands in another one. */
function eachField(read: FieldReader): (reader: BinaryReader) => void {
  return (reader) => readFields(reader, reader.uint32() + reader.pos, read)
}

function readFields(reader: BinaryReader, end: number, read: FieldReader): void {
  while (reader.pos < end) {
    const [field, wireType] = reader.tag()
    if (!read(reader, field, wireType)) reader.skip(wireType, field)
  }
  if (reader.pos > end) throw new RangeError('a message reaches beyond its end')
}

/** ValueInfoProto: name, then type, a TypeProto with a tensor type of element type and shape. */
function readPort(reader: BinaryReader): OnnxPort {
  let [name, type, rank] = ['', 0, 0]
  const shape = eachField((inner, field, wireType) => {
    if (field !== 1) return false
    rank++
    inner.skip(wireType, field)
    return true
  })
  const tensor = eachField((inner, field) => {
    if (field === 1) type = inner.int32()
    else if (field === 2) shape(inner)
    else return false
    return true
  })
  const value = eachField((inner, field) => {
    if (field === 1) tensor(inner)
    else return false
    return true
  })
  eachField((inner, field) => {
    if (field === 1) name = inner.string()
    else if (field === 2) value(inner)
    else return false
    return true
  })(reader)
  return { name, type, rank }
}
