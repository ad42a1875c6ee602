import { readFile } from 'node:fs/promises'

export interface HeldMemory {
  readonly bytes: number
  /** How many processes were measured. An engine may have one more than it has replicas. */
  readonly processes: number
}

/**
 * Memory that processes hold and the system cannot drop, bytes: what a file maps is left out, because it is shared and can
 * be read again. `undefined` where the system does not say; it is asked in Linux's way, `/proc/<pid>/status`.
 */
export async function heldMemory(processIds: readonly number[]): Promise<HeldMemory | undefined> {
  const sizes = await Promise.all(processIds.map(heldBy))
  const bytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  return sizes.length === 0 || sizes.includes(undefined) ? undefined : { bytes, processes: sizes.length }
}

async function heldBy(processId: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '')
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}
