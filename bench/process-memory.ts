import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Resident memory in bytes; shared pages count in every process that maps them. */
export interface Memory {
  readonly server: number
  /** All processes below the server's, together. */
  readonly replicas: number
}

interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly bytes: number
}

/** What a process and its descendants hold now. */
export function memoryOf(pid: number): Memory {
  const rows = process.platform === 'linux' ? readProc() : readPs()
  const server = rows.find((row) => row.pid === pid)?.bytes ?? 0
  const family = new Set([pid])
  let replicas = 0
  // A child may be listed before its parent, so the list is walked until nobody joins.
  for (let joined = true; joined; ) {
    joined = false
    for (const row of rows) {
      if (family.has(row.pid) || !family.has(row.parent)) continue
      family.add(row.pid)
      replicas += row.bytes
      joined = true
    }
  }
  return { server, replicas }
}

/** Source: proc(5), `/proc/<pid>/status`. */
function readProc(): ProcessRow[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const field = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0)
      return [{ pid: Number(name), parent: field('PPid'), bytes: field('VmRSS') * 1_024 }]
    } catch {
      // It ended between the listing and the reading.
      return []
    }
  })
}

function readPs(): ProcessRow[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid=,rss='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => {
    const [pid = 0, parent = 0, kilobytes = 0] = line.trim().split(/\s+/).map(Number)
    return { pid, parent, bytes: kilobytes * 1_024 }
  })
}
