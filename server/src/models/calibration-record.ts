import { ModelError } from './model-error.ts'
import { readSafetensors, type TensorData, writeSafetensors } from './safetensors.ts'

/**
 * What the calibration texts showed: for the input of each dense layer, by the layer's name, the least and the greatest
 * value of each channel over all tokens of all texts.
 */
export type CalibrationRecord = ReadonlyMap<string, ChannelRanges>

export interface ChannelRanges {
  /** `[channels]` */
  readonly least: Float32Array
  /** `[channels]` */
  readonly greatest: Float32Array
}

/** The record as the bytes of a safetensors file with one tensor `[2, channels]` a layer. */
export function encodeCalibration(record: CalibrationRecord): Uint8Array {
  const tensors = new Map<string, TensorData>()
  for (const [name, { least, greatest }] of record) {
    const values = new Float32Array(least.length * 2)
    values.set(least)
    values.set(greatest, least.length)
    tensors.set(name, { shape: [2, least.length], values })
  }
  return writeSafetensors(tensors)
}

/** @throws ModelError when the bytes are not such a file */
export function decodeCalibration(bytes: Uint8Array, source: string, channelsOf: ReadonlyMap<string, number>): CalibrationRecord {
  const file = readSafetensors(bytes, source)
  const record = new Map<string, ChannelRanges>()
  for (const [name, channels] of channelsOf) {
    const values = file.floats(name, [2, channels])
    record.set(name, { least: values.slice(0, channels), greatest: values.slice(channels) })
  }
  if (file.names.length !== record.size)
    throw new ModelError(`${source} was made for another model: it has ${file.names.length} layers, not ${record.size}.`)
  return record
}
