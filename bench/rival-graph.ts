import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { readWeights } from '../server/src/models/compile.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { paddedGraph } from '../server/test/padded-graph.ts'

/**
 * The same weights as the file everybody else serves: padded batches with an attention mask, activations quantised over the
 * whole batch at run time. The published file itself lives on a model hub, which a benchmark must not need.
 *
 * @returns the folder, laid out as `@huggingface/transformers` looks for a local model
 */
export async function writeRivalModel(folder: string): Promise<string> {
  const weights = await readWeights(await openModel(allMiniLmL6V2, folder))
  await mkdir(path.join(folder, 'onnx'), { recursive: true })
  await writeFile(path.join(folder, 'onnx', 'model_quantized.onnx'), paddedGraph(weights, 'dynamic'))
  return folder
}
