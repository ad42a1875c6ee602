import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Config, readConfig, type Secrets } from '../src/config.ts'
import { openJobs } from '../src/jobs/open-jobs.ts'
import { openDatabase } from '../src/storage/database.ts'
import { systemClock } from '../src/time.ts'

/** A data folder of a test's own, gone when disposed. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string
}

/**
 * A new data folder with an empty, migrated embedded database. Making one takes seconds, copying one a tenth of a
 * second, so the first of a machine is kept as a template beside the temporary files.
 */
export async function freshDataFolder(): Promise<DataFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'nearfield-data-'))
  await cp(await template(), folder, { recursive: true })
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

async function template(): Promise<string> {
  const finished = path.join(tmpdir(), `nearfield-template-${await schemaVersion()}`)
  if (existsSync(finished)) return finished
  const making = await mkdtemp(path.join(tmpdir(), 'nearfield-making-'))
  const { config, secrets } = readConfig({ NEARFIELD_DATA_DIR: making })
  await openOnce(config, secrets)
  await rm(path.join(making, 'instance.lock'))
  try {
    // In one step, so that nobody ever copies half a database.
    await rename(making, finished)
  } catch {
    await rm(making, { recursive: true })
  }
  return finished
}

/** Everything makes its tables. */
async function openOnce(config: Config, secrets: Secrets): Promise<void> {
  await using database = await openDatabase({ config, secrets, clock: systemClock })
  await using jobs = openJobs({ database, config, clock: systemClock, say: (sentence) => void process.stderr.write(`${sentence}\n`) })
  await jobs.queue.opened()
}

/** Another schema, other queues or another PGlite need another template. */
async function schemaVersion(): Promise<string> {
  const hash = createHash('sha256').update(String(process.getuid?.()))
  const journal = new URL('../src/storage/migrations/meta/_journal.json', import.meta.url)
  const packageFile = new URL('../package.json', import.meta.url)
  const queue = new URL('../src/jobs/boss-queue.ts', import.meta.url)
  const queueSettings = new URL('../src/job-settings.ts', import.meta.url)
  for (const file of [journal, packageFile, queue, queueSettings]) hash.update(await readFile(file))
  return hash.digest('hex').slice(0, 16)
}
