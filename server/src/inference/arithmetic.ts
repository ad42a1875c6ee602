import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus } from 'node:os'

/**
 * Names what decides the last bits of a vector besides its graph: the processor, whose instructions choose the kernels,
 * and the runtime. Machines of one name give the same bytes; of two, nearly the same.
 */
export function arithmeticName(): string {
  const runtime: unknown = createRequire(import.meta.url)('onnxruntime-node/package.json')
  const version = typeof runtime === 'object' && runtime !== null && 'version' in runtime ? runtime.version : undefined
  if (typeof version !== 'string') throw new Error('onnxruntime does not say its version')
  return [arch(), cpus()[0]?.model ?? '', instructionSets(), version].join('\n')
}

/** Linux says them; elsewhere the name of the processor has to do. */
function instructionSets(): string {
  try {
    return /^(flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? ''
  } catch {
    return ''
  }
}
