import { InferenceSession, Tensor } from 'onnxruntime-node'

/** Runs a batch through a graph and returns every float output by name. */
export type BatchOutputs = (batch: readonly Int32Array[]) => Promise<Record<string, Float32Array>>

/** A graph, by path or as bytes, in a session of this process: for tests and scripts, never for serving. */
export async function openGraph(graph: string | Uint8Array): Promise<BatchOutputs> {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, enableMemPattern: false, logSeverityLevel: 3 } as const
  const session = typeof graph === 'string' ? await InferenceSession.create(graph, options) : await InferenceSession.create(graph, options)
  return async (batch) => {
    const outputs = await session.run(feedsOf(batch))
    const floats: Record<string, Float32Array> = {}
    for (const [name, { data }] of Object.entries(outputs)) if (data instanceof Float32Array) floats[name] = data
    return floats
  }
}

/** The unit vectors of a batch, `[sequences]`. */
export async function openEmbedder(graph: string | Uint8Array): Promise<(batch: readonly Int32Array[]) => Promise<Float32Array[]>> {
  const run = await openGraph(graph)
  return async (batch) => {
    const { sentence_embedding: all = new Float32Array(0) } = await run(batch)
    const size = all.length / batch.length
    return batch.map((_, index) => all.slice(index * size, (index + 1) * size))
  }
}

function feedsOf(batch: readonly Int32Array[]): Record<string, Tensor> {
  const ids = Int32Array.from(batch.flatMap((sequence) => [...sequence]))
  const positions = Int32Array.from(batch.flatMap((sequence) => [...sequence.keys()]))
  return {
    input_ids: new Tensor('int32', ids, [ids.length]),
    position_ids: new Tensor('int32', positions, [ids.length]),
    lengths: new Tensor(
      'int64',
      BigInt64Array.from(batch, ({ length }) => BigInt(length)),
      [batch.length],
    ),
  }
}
