import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BootError, root, runQuietly, step } from './boot-process.mjs'
import { npmEnvironment, npmScript, pinnedVersion, runtimeEnvironment, runtimePath } from './boot-runtime.mjs'

// Inside node_modules, so that whoever removes the folder removes its stamp.
const stampPath = path.join(root, 'node_modules', '.nearfield-ready')
// Loads a native library: it fails where a binary for this platform was left out.
const nativeCheck = "await import('onnxruntime-node')"

// What each command needs: the tests and benchmarks have three times as much as the server.
const scopes = {
  serving: ['--omit=dev', '--workspace=server', '--workspace=cli'],
  everything: [],
}

/**
 * Phase two. Installs what `scope` needs of exactly the lock, by npm run by the pinned Node; everything serves as well.
 * @returns whether anything had to be done
 */
export async function installDependencies(scope) {
  const found = existsSync(stampPath) ? readFileSync(stampPath, 'utf8') : ''
  if (found === stamp('everything') || found === stamp(scope)) return false
  await step('Dependencies', async () => {
    const environment = npmEnvironment(runtimeEnvironment())
    const install = await runQuietly(runtimePath, npmArguments(['ci', '--loglevel=error', ...scopes[scope]]), {
      cwd: root,
      env: environment,
    })
    if (install.status !== 0) throw new BootError(`npm could not install the dependencies.\n${install.output}`, 'npm ping && npm run setup')
    const check = await runQuietly(runtimePath, ['--input-type=module', '-e', nativeCheck], { cwd: root, env: environment })
    if (check.status !== 0) throw new BootError(`The inference runtime does not load on this machine.\n${check.output}`, 'npm run setup')
    stampDependencies(scope)
  })
  return true
}

export function npmArguments(arguments_) {
  return [npmScript(), ...arguments_]
}

/** Marks what is installed as what the lock asks for in `scope`. */
export function stampDependencies(scope) {
  if (existsSync(path.dirname(stampPath))) writeFileSync(stampPath, stamp(scope))
}

/** Everything the content of node_modules depends on. The `scripts` of a package.json are no part of that. */
function stamp(scope) {
  const hash = createHash('sha256').update(`${scope} ${pinnedVersion()} ${process.platform} ${process.arch}\n`)
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const folder of ['.', ...manifest.workspaces]) {
    const { scripts: _, ...rest } = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
    hash.update(JSON.stringify(rest))
  }
  for (const file of ['package-lock.json', '.npmrc']) hash.update(readFileSync(path.join(root, file)))
  return hash.digest('hex')
}
