import {
  encodeOnnxModel,
  type OnnxAttribute,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxNode,
  type OnnxType,
  type OnnxValue,
} from './onnx-model.ts'
import type { OutsideConstants } from './outside-constants.ts'

/** The operators that onnxruntime adds to ONNX's own. */
export const microsoft = 'com.microsoft'

interface NodeOptions {
  readonly domain?: string
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/** Puts a graph together node by node. Values are known by name; every method returns the name of what it made. */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = []
  readonly #constants: OnnxConstant[] = []

  /** A constant of 32-bit floats. */
  floats(name: string, shape: readonly number[], values: Float32Array): string {
    return this.constant(name, 'float32', shape, values)
  }

  constant(name: string, type: OnnxType, shape: readonly number[], values: ArrayBufferView): string {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.#constants.push({ name, type, shape, bytes })
    return name
  }

  /** A node with one output, which carries the node's name. */
  node(operator: string, inputs: readonly string[], name: string, options: NodeOptions = {}): string {
    this.nodeOfMany(operator, inputs, name, [name], options)
    return name
  }

  /** A node with several outputs. */
  nodeOfMany(operator: string, inputs: readonly string[], name: string, outputs: readonly string[], options: NodeOptions = {}): void {
    this.#nodes.push({ name, operator, domain: options.domain ?? '', inputs, outputs, attributes: options.attributes ?? {} })
  }

  /** The graph as it stands, to be the body of a loop in another one. */
  graph(name: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): OnnxGraph {
    return { name, nodes: this.#nodes, constants: this.#constants, inputs, outputs }
  }

  /** @returns the bytes of an .onnx file */
  encode(name: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[], outside?: OutsideConstants): Uint8Array {
    return encodeOnnxModel({ ...this.graph(name, inputs, outputs), operatorSets: { '': 17, [microsoft]: 1 } }, outside)
  }
}
