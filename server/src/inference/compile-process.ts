/**
 * The program that makes one graph: reading and quantising a model takes seconds to minutes of one thread and gigabytes
 * of memory, which the server's own process has for neither. It gets its order as its first message, answers with steps,
 * then with the graph or a failure, and ends with its parent.
 */
import { compileModel } from '../models/compile.ts'
import { ModelError } from '../models/model-error.ts'
import { openModel } from '../models/open-model.ts'
import type { CompileOrder, CompileReply } from './compile-apart.ts'
import { observerOf } from './observer.ts'

function answer(reply: CompileReply): Promise<void> {
  return new Promise((resolve, reject) => process.send?.(reply, undefined, {}, (error) => (error === null ? resolve() : reject(error))))
}

async function obey({ card, precision, dataDirectory, settings }: CompileOrder): Promise<CompileReply> {
  try {
    const compiled = await compileModel({
      ...(await openModel(card, dataDirectory)),
      ...{ precision, dataDirectory, openObserver: observerOf(settings) },
      onProgress: (step) => void answer({ step }),
    })
    return { compiled }
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error), known: error instanceof ModelError }
  }
}

process.once('disconnect', () => process.exit(1))
process.once('message', async (order: CompileOrder) => {
  await answer(await obey(order))
  process.exit(0)
})
