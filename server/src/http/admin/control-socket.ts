import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildAdminApp } from './admin.ts'
import type { AdminServices } from './services.ts'

const fileName = 'control.json'

/** Where a running server can be asked, as written in `<data folder>/control.json`. */
export interface ControlAddress {
  readonly pid: number
  /** Path of a unix socket that its owner alone can open. */
  readonly socket: string
}

/**
 * Serves the admin routes on a unix socket for as long as the server runs. The socket lies in a fresh folder that only
 * its owner may enter, and not in the data folder, because a socket's path may have about 107 bytes. What a killed
 * server leaves behind is an address nobody answers at.
 */
export async function listenControl(services: AdminServices, dataDirectory: string): Promise<AsyncDisposable> {
  const app = buildAdminApp(services)
  const folder = await mkdtemp(path.join(tmpdir(), 'nearfield-'))
  const socket = path.join(folder, 'control')
  try {
    await app.listen({ path: socket })
    await chmod(socket, 0o600)
    await writeAddress(dataDirectory, { pid: process.pid, socket })
  } catch (error) {
    await app.close()
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(path.join(dataDirectory, fileName), { force: true })
      await app.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Under another name first, so that nobody reads half an address. */
async function writeAddress(dataDirectory: string, address: ControlAddress): Promise<void> {
  const target = path.join(dataDirectory, fileName)
  const partial = `${target}.${process.pid}`
  await writeFile(partial, `${JSON.stringify(address)}\n`, { mode: 0o600 })
  await rename(partial, target)
}

/** The address in a data folder, `undefined` when there is none. Whether somebody answers there is for the caller to try. */
export async function readControlAddress(dataDirectory: string): Promise<ControlAddress | undefined> {
  try {
    const address: unknown = JSON.parse(await readFile(path.join(dataDirectory, fileName), 'utf8'))
    if (typeof address !== 'object' || address === null || !('pid' in address) || !('socket' in address)) return undefined
    const { pid, socket } = address
    return typeof pid === 'number' && typeof socket === 'string' ? { pid, socket } : undefined
  } catch {
    return undefined
  }
}
