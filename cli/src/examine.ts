import { once } from 'node:events'
import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { ConfigError, readConfig } from '@nearfield/server/main'
import { type Admin, type Environment, findRunning, openAdmin } from './admin-client.ts'
import { rowsOf } from './json.ts'

/** What one check found. `advice` says what to do, null when there is nothing to do. */
export interface Finding {
  readonly check: string
  readonly verdict: 'ok' | 'warning' | 'failed'
  readonly finding: string
  readonly advice: string | null
}

type Config = ReturnType<typeof readConfig>['config']

const nodeMin = 24
const gigabyte = 1024 ** 3
/** The compiled graphs, the database and room to grow. */
const comfortableDisk = 2 * gigabyte

/** Runs every check that makes sense after the ones before it. Never throws: what throws is a finding. */
export async function examine(environment: Environment): Promise<readonly Finding[]> {
  const findings = [checkNode(process.versions.node)]
  const config = readSettings(environment, findings)
  if (config === undefined) return findings
  findings.push(await checkFolder(config.dataDirectory), await checkDisk(config))
  await using running = await findRunning(environment)
  findings.push(running === undefined ? await checkPort(config) : await describeServer(running))
  try {
    await using admin = running ?? (await openAdmin(environment))
    findings.push(await checkDatabase(admin))
    findings.push(await checkModel(admin), ...describeUpstream(config))
  } catch (thrown) {
    findings.push(failed('database', sentence(thrown), 'Do what the sentence says, then run: nearfield doctor'))
  }
  return findings
}

export function checkNode(version: string): Finding {
  if (Number(version.split('.')[0]) >= nodeMin) return ok('node', `Node ${version}`)
  return failed('node', `Node ${version} is too old`, `Use Node ${nodeMin} or newer; npm start brings its own.`)
}

function readSettings(environment: Environment, findings: Finding[]): Config | undefined {
  try {
    const { config } = readConfig(environment)
    findings.push(ok('settings', 'every setting can be used'))
    return config
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown
    findings.push(failed('settings', thrown.message, 'Correct this variable in the environment.'))
    return undefined
  }
}

async function checkFolder(folder: string): Promise<Finding> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    return ok('data folder', folder)
  } catch {
    return failed('data folder', `${folder} cannot be written`, 'Choose another folder with --data-dir, or correct its owner.')
  }
}

async function checkDisk(config: Config): Promise<Finding> {
  const folder = path.dirname(config.dataDirectory)
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: 0, bsize: 0 }))
  const free = bavail * bsize
  const finding = `${(free / gigabyte).toFixed(1)} GiB free`
  const advice = `Free some space where ${folder} lies.`
  if (free < config.storage.freeDiskBytesMin) return failed('disk', finding, advice)
  return free < comfortableDisk ? { check: 'disk', verdict: 'warning', finding, advice } : ok('disk', finding)
}

async function checkPort({ host, port }: Config): Promise<Finding> {
  const probe = createServer()
  try {
    probe.listen(port, host)
    await once(probe, 'listening')
    return ok('port', `${host}:${port} is free; no server runs on this data folder`)
  } catch (thrown) {
    const reason =
      thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE' ? 'is taken by another program' : 'cannot be used'
    return failed('port', `${host}:${port} ${reason}`, 'Choose another with PORT, such as PORT=8081 npm start.')
  } finally {
    probe.close()
  }
}

async function describeServer(admin: Admin): Promise<Finding> {
  const { pid, url, ready } = await admin.call('GET', '/status')
  if (ready === true) return ok('server', `serves ${url} (pid ${pid})`)
  return { check: 'server', verdict: 'warning', finding: `runs (pid ${pid}) but is not ready`, advice: `See why: curl ${url}/readyz` }
}

async function checkDatabase(admin: Admin): Promise<Finding> {
  const { database } = await admin.call('GET', '/status')
  return ok('database', `the ${database} database opens and has this version's schema`)
}

async function checkModel(admin: Admin): Promise<Finding> {
  try {
    const { models } = await admin.call('GET', '/models').then((reply) => ({ models: rowsOf(reply, 'models') }))
    const name = models[0]?.name
    if (typeof name !== 'string') return failed('model', 'no model is served', 'Set NEARFIELD_STAND_IN=on or leave it out.')
    const graphs = rowsOf(await admin.call('POST', `/models/${encodeURIComponent(name)}/compile`), 'graphs')
    return ok('model', `files are whole; ${graphs.length} graphs of ${name} are compiled`)
  } catch (thrown) {
    return failed('model', sentence(thrown), 'Install it again: npm run setup')
  }
}

/** Names that other machines serve, as the settings have it; they are not asked, for that may cost money. */
function describeUpstream({ upstream }: Config): Finding[] {
  const findings: Finding[] = []
  const google = upstream.gemini !== undefined ? 'the Gemini API' : upstream.vertex !== undefined ? 'Vertex AI' : undefined
  if (google !== undefined) findings.push(ok('upstream', `gemini-embedding-001 and gemini-embedding-2 are served by Google, by ${google}`))
  if (upstream.openAi !== undefined) {
    const { models, baseUrls } = upstream.openAi
    findings.push(ok('upstream', `${[...models.keys()].join(', ')} from ${baseUrls.map((url) => new URL(url).host).join(', ')}`))
  }
  return findings
}

function ok(check: string, finding: string): Finding {
  return { check, verdict: 'ok', finding, advice: null }
}

function failed(check: string, finding: string, advice: string): Finding {
  return { check, verdict: 'failed', finding, advice }
}

function sentence(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
