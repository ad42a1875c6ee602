import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** The part of the ONNX format that our graphs need. Field and type numbers are those of the public onnx.proto3. */
export interface OnnxModel {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly constants: readonly OnnxConstant[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** Version of each operator set by its domain; `''` is ONNX's own. */
  readonly operatorSets: Readonly<Record<string, number>>
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

export type OnnxAttribute = { readonly integer: number } | { readonly float: number } | { readonly integers: readonly number[] }

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
  /** A text is a size known only at run time. */
  readonly shape: readonly (number | string)[]
}

export type OnnxType = keyof typeof typeNumbers

const typeNumbers = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10 } as const
const attributeNumbers = { float: 1, integer: 2, integers: 7 } as const
/** Version of the file format: the one of ONNX 1.13, old enough for every runtime in use. */
const irVersion = 8

/** The model as the bytes of an .onnx file; the same bytes for the same model. */
export function encodeOnnxModel(model: OnnxModel): Uint8Array {
  const writer = new BinaryWriter()
  integer(writer, 1, irVersion)
  text(writer, 2, 'nearfield')
  message(writer, 7, () => writeGraph(writer, model))
  for (const [domain, version] of Object.entries(model.operatorSets)) {
    message(writer, 8, () => {
      text(writer, 1, domain)
      integer(writer, 2, version)
    })
  }
  return writer.finish()
}

function writeGraph(writer: BinaryWriter, model: OnnxModel): void {
  for (const node of model.nodes) message(writer, 1, () => writeNode(writer, node))
  text(writer, 2, model.name)
  for (const constant of model.constants) message(writer, 5, () => writeConstant(writer, constant))
  for (const input of model.inputs) message(writer, 11, () => writeValue(writer, input))
  for (const output of model.outputs) message(writer, 12, () => writeValue(writer, output))
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
      } else {
        for (const value of attribute.integers) integer(writer, 8, value)
        integer(writer, 20, attributeNumbers.integers)
      }
    })
  }
  text(writer, 7, node.domain)
}

function writeConstant(writer: BinaryWriter, constant: OnnxConstant): void {
  for (const size of constant.shape) integer(writer, 1, size)
  integer(writer, 2, typeNumbers[constant.type])
  text(writer, 8, constant.name)
  writer.tag(9, WireType.LengthDelimited).bytes(constant.bytes)
}

function writeValue(writer: BinaryWriter, value: OnnxValue): void {
  text(writer, 1, value.name)
  message(writer, 2, () =>
    message(writer, 1, () => {
      integer(writer, 1, typeNumbers[value.type])
      message(writer, 2, () => {
        for (const size of value.shape) {
          message(writer, 1, () => (typeof size === 'number' ? integer(writer, 1, size) : text(writer, 2, size)))
        }
      })
    }),
  )
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
