import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BootError, root, runQuietly, step } from './boot-process.mjs'
import { npmEnvironment, npmScript, pinnedVersion, runtimeEnvironment, runtimePath } from './boot-runtime.mjs'

// Inside node_modules, so that whoever removes the folder removes its stamp.
const stampPath = path.join(root, 'node_modules', '.nearfield-ready')
// Loads a native library: it fails where a binary for this platform was left out.
const nativeCheck = "await import('onnxruntime-node')"

/** Phase two. Installs exactly the lock, by npm run by the pinned Node. @returns whether anything had to be done */
export async function installDependencies() {
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp()) return false
  await step('Dependencies', async () => {
    const environment = npmEnvironment(runtimeEnvironment())
    const install = await runQuietly(runtimePath, npmArguments(['ci', '--loglevel=error']), { cwd: root, env: environment })
    if (install.status !== 0) throw new BootError(`npm could not install the dependencies.\n${install.output}`, 'npm ping && npm run setup')
    const check = await runQuietly(runtimePath, ['--input-type=module', '-e', nativeCheck], { cwd: root, env: environment })
    if (check.status !== 0) throw new BootError(`The inference runtime does not load on this machine.\n${check.output}`, 'npm run setup')
    stampDependencies()
  })
  return true
}

export function npmArguments(arguments_) {
  return [npmScript(), ...arguments_]
}

/** Marks what is installed as what the lock asks for. */
export function stampDependencies() {
  if (existsSync(path.dirname(stampPath))) writeFileSync(stampPath, stamp())
}

/** Everything the content of node_modules depends on. The `scripts` of a package.json are no part of that. */
function stamp() {
  const hash = createHash('sha256').update(`${pinnedVersion()} ${process.platform} ${process.arch}\n`)
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const folder of ['.', ...manifest.workspaces]) {
    const { scripts: _, ...rest } = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
    hash.update(JSON.stringify(rest))
  }
  for (const file of ['package-lock.json', '.npmrc']) hash.update(readFileSync(path.join(root, file)))
  return hash.digest('hex')
}
