import { lstat, mkdir, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Compiling takes seconds and gives the same bytes every time, so all tests of a machine share the graphs. */
export async function shareCompiledModels(dataDirectory: string): Promise<void> {
  const shared = await sharedFolder()
  const link = path.join(dataDirectory, 'models')
  const exists = await lstat(link).catch(() => undefined)
  if (exists === undefined) await symlink(shared, link)
}

/** The same for a test that installs models of its own: it sees the graphs that are there, and shares nothing it makes. */
export async function borrowCompiledModels(dataDirectory: string): Promise<void> {
  const shared = await sharedFolder()
  const own = path.join(dataDirectory, 'models')
  await mkdir(own)
  const graphs = (await readdir(shared)).filter((name) => /^[0-9a-f]{16}$/.test(name))
  for (const name of graphs) await symlink(path.join(shared, name), path.join(own, name))
}

async function sharedFolder(): Promise<string> {
  const shared = path.join(tmpdir(), `nearfield-models-${process.getuid?.() ?? 0}`)
  await mkdir(shared, { recursive: true, mode: 0o700 })
  return shared
}
