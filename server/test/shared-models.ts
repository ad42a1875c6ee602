import { lstat, mkdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Compiling takes seconds and gives the same bytes every time, so all tests of a machine share the graphs. */
export async function shareCompiledModels(dataDirectory: string): Promise<void> {
  const shared = path.join(tmpdir(), `nearfield-models-${process.getuid?.() ?? 0}`)
  await mkdir(shared, { recursive: true, mode: 0o700 })
  const link = path.join(dataDirectory, 'models')
  const exists = await lstat(link).catch(() => undefined)
  if (exists === undefined) await symlink(shared, link)
}
