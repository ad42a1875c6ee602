import { setFlagsFromString } from 'node:v8'

/**
 * Lets the heap grow before it is collected. Most of what a request leaves behind are vectors and bodies outside the
 * heap, which V8 counts against a limit it derives from the heap's own size: some 30 MB here, so the whole heap was
 * marked three times a second under load, at the cost of a tenth of a core. For the same reason it must not be shrunk
 * to that size in quiet moments.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=400')
  setFlagsFromString('--no-memory-reducer')
}
