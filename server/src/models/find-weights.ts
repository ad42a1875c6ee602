import type { ModelFamily } from './model.ts'
import { ModelError } from './model-error.ts'

/** What runs a model, and the file that holds its weights. */
export interface FoundWeights {
  readonly family: ModelFamily
  readonly weights: string
  /** Files the weights need beside them: the shards of an index, or the large tensors an ONNX file keeps outside. */
  readonly beside: readonly string[]
}

/** Whole models first; the smaller ones lose accuracy and are taken only where nothing else is there. */
const onnxNames = [
  'onnx/model.onnx',
  'model.onnx',
  'onnx/model_fp16.onnx',
  'onnx/model_quantized.onnx',
  'onnx/model_int8.onnx',
  'model_quantized.onnx',
]

/**
 * Decides from a config.json and the names in its repository what runs the model. The families the compiler builds need
 * safetensors and an architecture without code of its own; everything else runs its ONNX file. Code in a repository is
 * never run, so a model with code of its own needs an ONNX file, too.
 * @throws ModelError when neither is there
 */
export function findWeights(config: Readonly<Record<string, unknown>>, names: readonly string[], model: string): FoundWeights {
  const family = compiledFamily(config)
  const safetensors = names.filter((name) => /^model(\.\w+)?\.safetensors$/.test(name))
  if (family !== undefined && safetensors[0] !== undefined) {
    if (safetensors.length === 1) return { family, weights: safetensors[0], beside: [] }
    if (safetensors.includes('model.safetensors')) return { family, weights: 'model.safetensors', beside: [] }
    throw new ModelError(`The model ${model} has several files of weights (${safetensors.join(', ')}), and which one to use is not said.`)
  }
  if (family !== undefined && names.includes(shardIndex)) return { family, weights: shardIndex, beside: names.filter(isShard) }
  const onnx = onnxNames.find((name) => names.includes(name))
  if (onnx !== undefined) return { family: 'onnx', weights: onnx, beside: besideOnnx(names, onnx) }
  throw new ModelError(
    `The model ${model} cannot be run: ${reasonAgainstCompiling(config, names)}, and it has none of the files ${onnxNames.join(', ')}. ` +
      'Code in a repository is never run.',
  )
}

/** Which of several files of weights has which tensors. */
const shardIndex = 'model.safetensors.index.json'

function isShard(name: string): boolean {
  return /^model-\d+-of-\d+\.safetensors$/.test(name)
}

/**
 * The files an ONNX file keeps large tensors in: one for all, such as `model.onnx_data`, `model.onnx_data_1` or
 * `model.onnx.data`, or one for a tensor, named after it as PyTorch's exporter does, such as `Constant_7_attr__value`.
 */
export function besideOnnx(names: readonly string[], onnx: string): readonly string[] {
  const folder = onnx.slice(0, onnx.lastIndexOf('/') + 1)
  return names.filter((name) => {
    if (name.startsWith(onnx)) return /^[._]data(_\d+)?$/.test(name.slice(onnx.length))
    return name.startsWith(folder) && /^(\w+_attr__value|onnx__\w+|[\w.]+\.(weight|bias))$/.test(name.slice(folder.length))
  })
}

/** RoBERTa and CamemBERT are the architecture of XLM-R, with other tokenizers. */
function compiledFamily(config: Readonly<Record<string, unknown>>): 'bert' | 'xlm-roberta' | undefined {
  const { model_type: type, position_embedding_type: positions } = config
  if (config.auto_map !== undefined || (positions !== undefined && positions !== 'absolute')) return undefined
  if (type === 'roberta' || type === 'camembert') return 'xlm-roberta'
  return type === 'bert' || type === 'xlm-roberta' ? type : undefined
}

function reasonAgainstCompiling(config: Readonly<Record<string, unknown>>, names: readonly string[]): string {
  if (config.auto_map !== undefined) return 'it brings code of its own'
  if (compiledFamily(config) === undefined) return `the compiler does not build the architecture ${String(config.model_type)}`
  return names.some(isShard) ? `its weights are spread over several files, and it has no ${shardIndex}` : 'it has no model.safetensors'
}
