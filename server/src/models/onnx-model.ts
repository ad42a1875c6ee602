import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { OutsideConstants } from './outside-constants.ts'

/** The part of the ONNX format that our graphs need. Field and type numbers are those of the public onnx.proto3. */
export interface OnnxModel extends OnnxGraph {
  /** Version of each operator set by its domain; `''` is ONNX's own. */
  readonly operatorSets: Readonly<Record<string, number>>
}

/** A whole graph, or the body of a loop: that one also sees every value of the graph around it by name. */
export interface OnnxGraph {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly constants: readonly OnnxConstant[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

export interface OnnxNode {
  readonly name: string
  readonly operator: string
  readonly domain: string
  /** An empty name leaves an optional input out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

export type OnnxAttribute =
  | { readonly integer: number }
  | { readonly float: number }
  | { readonly integers: readonly number[] }
  | { readonly graph: OnnxGraph }

export interface OnnxConstant {
  readonly name: string
  readonly type: OnnxType
  readonly shape: readonly number[]
  /** Little-endian numbers, row by row. */
  readonly bytes: Uint8Array
}

export interface OnnxValue {
  readonly name: string
  readonly type: OnnxType
  /** A text is a size known only at run time; `undefined` leaves the shape open. */
  readonly shape: readonly (number | string)[] | undefined
  /** True where the value is a list of such tensors. */
  readonly list?: boolean
}

export type OnnxType = keyof typeof typeNumbers

const typeNumbers = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, boolean: 9, float16: 10, bfloat16: 16 } as const
const attributeNumbers = { float: 1, integer: 2, graph: 5, integers: 7 } as const
/** Version of the file format: the one of ONNX 1.13, old enough for every runtime in use. */
const irVersion = 8
/** TensorProto.DataLocation: the numbers lie in another file. */
const externalLocation = 1

/** The model as the bytes of an .onnx file; the same bytes for the same model. Constants that `outside` takes are left out of it. */
export function encodeOnnxModel(model: OnnxModel, outside?: OutsideConstants): Uint8Array {
  const writer = new BinaryWriter()
  outside?.expect(model.constants.reduce((sum, { bytes }) => sum + bytes.length, 0))
  integer(writer, 1, irVersion)
  text(writer, 2, 'nearfield')
  message(writer, 7, () => writeGraph(writer, model, outside))
  for (const [domain, version] of Object.entries(model.operatorSets)) {
    message(writer, 8, () => {
      text(writer, 1, domain)
      integer(writer, 2, version)
    })
  }
  if (outside !== undefined && outside.bytes > 0) {
    // So that the checksum of the graph stands for its constants, too.
    message(writer, 14, () => writeEntry(writer, 'constants_sha256', outside.sha256()))
  }
  return writer.finish()
}

/** Bytes that, put behind those of an .onnx file, add to its graph: readers join the parts of a message that is there twice. */
export function encodeAppendix(graph: OnnxGraph): Uint8Array {
  const writer = new BinaryWriter()
  message(writer, 7, () => writeGraph(writer, graph))
  return writer.finish()
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph, outside?: OutsideConstants): void {
  for (const node of graph.nodes) message(writer, 1, () => writeNode(writer, node))
  text(writer, 2, graph.name)
  for (const constant of graph.constants) message(writer, 5, () => writeConstant(writer, constant, outside))
  for (const input of graph.inputs) message(writer, 11, () => writeValue(writer, input))
  for (const output of graph.outputs) message(writer, 12, () => writeValue(writer, output))
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(writer, 1, input)
  for (const output of node.outputs) text(writer, 2, output)
  text(writer, 3, node.name)
  text(writer, 4, node.operator)
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, 5, () => {
      text(writer, 1, name)
      if ('float' in attribute) {
        writer.tag(2, WireType.Bit32).float(attribute.float)
        integer(writer, 20, attributeNumbers.float)
      } else if ('integer' in attribute) {
        integer(writer, 3, attribute.integer)
        integer(writer, 20, attributeNumbers.integer)
      } else if ('graph' in attribute) {
        message(writer, 6, () => writeGraph(writer, attribute.graph))
        integer(writer, 20, attributeNumbers.graph)
      } else {
        for (const value of attribute.integers) integer(writer, 8, value)
        integer(writer, 20, attributeNumbers.integers)
      }
    })
  }
  text(writer, 7, node.domain)
}

function writeConstant(writer: BinaryWriter, constant: OnnxConstant, outside?: OutsideConstants): void {
  for (const size of constant.shape) integer(writer, 1, size)
  integer(writer, 2, typeNumbers[constant.type])
  text(writer, 8, constant.name)
  const offset = outside?.take(constant.bytes)
  if (outside === undefined || offset === undefined) {
    writer.tag(9, WireType.LengthDelimited).bytes(constant.bytes)
    return
  }
  const place = { location: outside.name, offset: `${offset}`, length: `${constant.bytes.length}` }
  for (const [key, value] of Object.entries(place)) message(writer, 13, () => writeEntry(writer, key, value))
  integer(writer, 14, externalLocation)
}

function writeEntry(writer: BinaryWriter, key: string, value: string): void {
  text(writer, 1, key)
  text(writer, 2, value)
}

function writeValue(writer: BinaryWriter, value: OnnxValue): void {
  text(writer, 1, value.name)
  message(writer, 2, () => {
    if (value.list) message(writer, 4, () => message(writer, 1, () => writeTensorType(writer, value)))
    else writeTensorType(writer, value)
  })
}

function writeTensorType(writer: BinaryWriter, { type, shape }: OnnxValue): void {
  message(writer, 1, () => {
    integer(writer, 1, typeNumbers[type])
    if (shape === undefined) return
    message(writer, 2, () => {
      for (const size of shape) message(writer, 1, () => (typeof size === 'number' ? integer(writer, 1, size) : text(writer, 2, size)))
    })
  })
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value)
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value)
}

function message(writer: BinaryWriter, field: number, writeFields: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  writeFields()
  writer.join()
}
