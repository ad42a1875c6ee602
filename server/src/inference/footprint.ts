/** What a loaded model occupies while it is here. */
export interface Footprint {
  readonly bytes: number
  readonly replicas: number
}

/** What all loaded models together may occupy. */
export interface Room {
  readonly memoryBytesMax: number
  readonly replicasTotalMax: number
}

export const nothing: Footprint = { bytes: 0, replicas: 0 }

export function sumOf(footprints: Iterable<Footprint>): Footprint {
  let [bytes, replicas] = [0, 0]
  for (const footprint of footprints) {
    bytes += footprint.bytes
    replicas += footprint.replicas
  }
  return { bytes, replicas }
}

export function fits({ bytes, replicas }: Footprint, room: Room): boolean {
  return bytes <= room.memoryBytesMax && replicas <= room.replicasTotalMax
}

/** As many of the wanted replicas as there is room for beside what is `taken`; none when not one fits. */
export function largestFit(
  wanted: { readonly bytesPerReplica: number; readonly replicasWanted: number },
  taken: Footprint,
  room: Room,
): Footprint {
  const byMemory = Math.floor((room.memoryBytesMax - taken.bytes) / wanted.bytesPerReplica)
  const replicas = Math.max(0, Math.min(wanted.replicasWanted, byMemory, room.replicasTotalMax - taken.replicas))
  return { replicas, bytes: replicas * wanted.bytesPerReplica }
}

/** The first of `candidates` without which the others fit beside what is `taken`; `undefined` when it would not fit without all of them. */
export function leavers<Held extends { readonly held: Footprint }>(
  candidates: readonly Held[],
  taken: Footprint,
  room: Room,
): readonly Held[] | undefined {
  for (let count = 0; count <= candidates.length; count++) {
    const remaining = candidates.slice(count).map(({ held }) => held)
    if (fits(sumOf([taken, ...remaining]), room)) return candidates.slice(0, count)
  }
  return undefined
}
