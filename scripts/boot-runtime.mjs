import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BootError, cache, root, runQuietly, step } from './boot-process.mjs'

const executable = process.platform === 'win32' ? 'node.exe' : 'node'
const runtimeFolder = path.join(cache, 'runtime')
/** The pinned Node. */
export const runtimePath = path.join(runtimeFolder, executable)
const versionPath = path.join(runtimeFolder, 'version')
// Debian's npm keeps its dependencies where only Debian's own Node looks.
const debianModules = '/usr/share/nodejs'

export function pinnedVersion() {
  return JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).devDependencies.node
}

/**
 * The environment in which everything after phase one runs: the pinned Node is the first `node` on the path, and keeps
 * what it compiled for the next start.
 */
export function runtimeEnvironment() {
  const environment = { NODE_COMPILE_CACHE: path.join(cache, 'compiled'), ...process.env }
  const pathName = Object.keys(environment).find((name) => name.toLowerCase() === 'path') ?? 'PATH'
  environment[pathName] = [runtimeFolder, path.join(root, 'node_modules', '.bin'), environment[pathName]].join(path.delimiter)
  return environment
}

/** The npm that started this, as a script that any Node can run. */
export function npmScript() {
  const besideNode = path.join(path.dirname(path.dirname(process.execPath)), 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  for (const candidate of [process.env.npm_execpath, besideNode]) {
    if (candidate !== undefined && path.basename(candidate) === 'npm-cli.js' && existsSync(candidate)) return candidate
  }
  throw new BootError('This has to be started by npm.', 'npm start')
}

/**
 * What npm needs to know besides the path. onnxruntime-node's install script would fetch GPU libraries from the internet;
 * the packages already hold what a processor needs.
 */
export function npmEnvironment(environment) {
  const result = { ...environment, ONNXRUNTIME_NODE_INSTALL: 'skip' }
  if (npmScript().startsWith(debianModules)) result.NODE_PATH = debianModules
  return result
}

/** Phase one. Puts exactly the pinned Node into `.cache/runtime`. @returns whether anything had to be done */
export async function installRuntime() {
  const version = pinnedVersion()
  if (isInstalled(version)) return false
  const installed = path.join(root, 'node_modules', 'node', 'bin', executable)
  if (existsSync(installed) && answers(installed, version)) place(installed, version)
  else await step(`Node ${version}`, () => fetchRuntime(version))
  return true
}

function isInstalled(version) {
  return existsSync(runtimePath) && existsSync(versionPath) && readFileSync(versionPath, 'utf8') === version
}

async function fetchRuntime(version) {
  const folder = path.join(cache, 'runtime-install')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // npm 12 runs no install script that the installing package.json does not allow.
  const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest))
  const settings = path.join(root, '.npmrc')
  if (existsSync(settings)) copyFileSync(settings, path.join(folder, '.npmrc'))
  const { status, output } = await runQuietly(process.execPath, [npmScript(), 'install', '--no-package-lock', '--loglevel=error'], {
    cwd: folder,
    env: npmEnvironment(process.env),
  })
  const fetched = path.join(folder, 'node_modules', 'node', 'bin', executable)
  if (status !== 0 || !existsSync(fetched) || !answers(fetched, version)) {
    throw new BootError(`npm could not fetch Node ${version} (package "node").\n${output}`, 'npm ping && npm run setup')
  }
  place(fetched, version)
  rmSync(folder, { recursive: true, force: true })
}

function place(source, version) {
  const fresh = `${runtimeFolder}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  try {
    linkSync(source, path.join(fresh, executable))
  } catch {
    copyFileSync(source, path.join(fresh, executable))
  }
  writeFileSync(path.join(fresh, 'version'), version)
  rmSync(runtimeFolder, { recursive: true, force: true })
  renameSync(fresh, runtimeFolder)
}

function answers(program, version) {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() === `v${version}`
  } catch {
    return false
  }
}
