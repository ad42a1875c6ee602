import type { LinearNodes } from './bert-graph.ts'
import type { Dense } from './bert-weights.ts'
import type { CalibrationRecord, ChannelRanges } from './calibration-record.ts'
import { microsoft } from './graph-builder.ts'
import { ModelError } from './model-error.ts'
import { transpose } from './transpose.ts'

/** A dense layer in eight bits: `y = (q(x / smoothing) - zero) @ weight.T * inputScale * weightScale + bias`. */
export interface QuantizedDense {
  /** `[inputs]`; each input channel is divided by its own. */
  readonly smoothing: Float32Array
  readonly inputScale: number
  /** The byte that stands for 0, from 0 to 255. */
  readonly inputZero: number
  /** `[outputs, inputs]`, from -127 to 127. */
  readonly weight: Int8Array
  /** `[outputs]` */
  readonly weightScale: Float32Array
}

/**
 * Share of the smoothing that goes to the inputs: 1 makes all input channels equally wide, 0 all weight columns. Of 0.5 to 1,
 * 0.75 came closest to the float model.
 */
const migration = 0.75
/** A channel narrower than this carries nothing, and must not be blown up. */
const widthMin = 1e-3

/**
 * Static eight-bit quantisation with smoothing: a channel with outliers is divided by a constant and its weights are
 * multiplied by it, so that one scale fits all channels. The scale of the inputs is fixed here, from the calibration
 * record, and not taken from the batch at run time: that is what makes a text's vector independent of its batch mates.
 * Source: SmoothQuant, arXiv 2211.10438.
 */
export function quantizeDense(dense: Dense, ranges: ChannelRanges): QuantizedDense {
  const smoothing = smoothingOf(dense, ranges)
  const { inputScale, inputZero } = inputGrid(ranges, smoothing)
  const weight = new Int8Array(dense.weight.length)
  const weightScale = new Float32Array(dense.outputs)
  for (let output = 0; output < dense.outputs; output++) {
    const row = dense.weight.subarray(output * dense.inputs, (output + 1) * dense.inputs)
    const smoothed = row.map((value, channel) => value * (smoothing[channel] ?? 1))
    const scale = Math.fround(smoothed.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0) / 127) || 1
    weightScale[output] = scale
    for (const [channel, value] of smoothed.entries()) weight[output * dense.inputs + channel] = clamp(Math.round(value / scale), -127, 127)
  }
  return { smoothing, inputScale, inputZero, weight, weightScale }
}

/** Dense layers as eight-bit integer products. @throws ModelError when the record lacks a layer */
export function quantizedLinear(record: CalibrationRecord): LinearNodes {
  return (graph, input, name, dense) => {
    const ranges = record.get(name)
    if (ranges === undefined) throw new ModelError(`The calibration record has no layer ${name}.`)
    const { smoothing, inputScale, inputZero, weight, weightScale } = quantizeDense(dense, ranges)
    const inverse = graph.floats(
      `${name}.inverse_smoothing`,
      [dense.inputs],
      smoothing.map((value) => 1 / value),
    )
    const scale = graph.floats(`${name}.input_scale`, [], Float32Array.of(inputScale))
    const zero = graph.constant(`${name}.input_zero`, 'uint8', [], Uint8Array.of(inputZero))
    const bytes = graph.node('QuantizeLinear', [graph.node('Mul', [input, inverse], `${name}.smoothed`), scale, zero], `${name}.bytes`)
    const operands = [
      bytes,
      graph.constant(
        `${name}.weight`,
        'int8',
        [dense.inputs, dense.outputs],
        transpose(weight, new Int8Array(weight.length), dense.inputs),
      ),
      scale,
      graph.floats(`${name}.weight_scale`, [dense.outputs], weightScale),
      zero,
      // No zero point of the weights: they are symmetric.
      '',
      graph.floats(`${name}.bias`, [dense.outputs], dense.bias),
    ]
    return graph.node('MatMulIntegerToFloat', operands, name, { domain: microsoft })
  }
}

/** The divisor of each input channel; their geometric mean is 1. */
function smoothingOf(dense: Dense, { least, greatest }: ChannelRanges): Float32Array {
  const columnPeaks = new Float32Array(dense.inputs)
  for (const [index, value] of dense.weight.entries()) {
    const channel = index % dense.inputs
    columnPeaks[channel] = Math.max(columnPeaks[channel] ?? 0, Math.abs(value))
  }
  const logarithms = Float64Array.from(columnPeaks, (columnPeak, channel) => {
    const channelPeak = Math.max(-(least[channel] ?? 0), greatest[channel] ?? 0)
    return migration * Math.log(Math.max(channelPeak, widthMin)) - (1 - migration) * Math.log(Math.max(columnPeak, widthMin))
  })
  const mean = logarithms.reduce((sum, value) => sum + value, 0) / logarithms.length
  return Float32Array.from(logarithms, (value) => Math.exp(value - mean))
}

/** The grid of 256 steps over all smoothed inputs seen: clipping even the rarest of them costs more than finer steps gain. Zero is on the grid. */
function inputGrid({ least, greatest }: ChannelRanges, smoothing: Float32Array): { inputScale: number; inputZero: number } {
  let low = 0
  let high = 0
  for (const [channel, divisor] of smoothing.entries()) {
    low = Math.min(low, (least[channel] ?? 0) / divisor)
    high = Math.max(high, (greatest[channel] ?? 0) / divisor)
  }
  const inputScale = Math.fround((high - low) / 255) || 1
  return { inputScale, inputZero: clamp(Math.round(-low / inputScale), 0, 255) }
}

function clamp(value: number, least: number, greatest: number): number {
  return Math.min(Math.max(value, least), greatest)
}
