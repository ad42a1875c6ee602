/**
 * What stands between a fresh clone and a running server: `node scripts/boot.mjs <command> [arguments]`.
 *
 * It runs on whatever Node >= 18 the host has, before anything is installed, so it is plain JavaScript and imports nothing
 * but Node itself. Two phases, because npm picks packages by the Node that runs it: first fetch the pinned Node, then let
 * that Node run npm. Progress goes to stderr; stdout belongs to the command.
 *
 *     start        run the server          test   types, lint, dead code, all tests
 *     conformance  only the tests with the clients that others publish
 *     nearfield    run the command line    bench  measure the server, lanes what its callers feel of each other
 *     upstream     what standing before an upstream costs
 *     soak         watch its memory        setup  only install
 *     pm           npm itself, run by the pinned Node
 */
import { installDependencies, npmArguments, stampDependencies } from './boot-install.mjs'
import { withLock } from './boot-lock.mjs'
import { BootError, root, runForeground, say, seconds, stopwatch } from './boot-process.mjs'
import { installRuntime, pinnedVersion, runtimeEnvironment, runtimePath } from './boot-runtime.mjs'
import { runTests } from './boot-test.mjs'
import { serverEnvironment, serverNodeArguments } from './server-process.mjs'

const hostNodeMin = 18

/** Installs what is missing for `serving` or for `everything`. Takes a few milliseconds when nothing is. */
async function prepare(scope) {
  const elapsed = stopwatch()
  const changed = await withLock(async () => {
    const runtimeChanged = await installRuntime()
    const dependenciesChanged = await installDependencies(scope)
    return runtimeChanged || dependenciesChanged
  })
  if (changed) say(`ready in ${seconds(elapsed())}, node v${pinnedVersion()} (host ${process.version})`)
}

async function main() {
  const [command, ...rest] = process.argv.slice(2)
  if (Number(process.versions.node.split('.')[0]) < hostNodeMin) {
    throw new BootError(`Node ${process.version} is too old to start with; ${hostNodeMin} or newer is needed.`, 'node --version')
  }
  const node = (...arguments_) => runForeground(runtimePath, arguments_, { env: runtimeEnvironment() })
  const server = (...arguments_) =>
    runForeground(runtimePath, [...serverNodeArguments, ...arguments_], { env: { ...serverEnvironment, ...runtimeEnvironment() } })
  switch (command) {
    case 'setup':
      await prepare('everything')
      return 0
    case 'start':
      await prepare('serving')
      return server('--import', './scripts/quick-imports.mjs', 'server/src/main.ts', ...rest)
    case 'nearfield':
      await prepare('serving')
      return server('cli/bin/nearfield.mjs', ...rest)
    case 'bench':
    case 'align':
    case 'lanes':
    case 'upstream':
    case 'soak':
      await prepare('everything')
      return node(`bench/${command}.ts`, ...rest)
    case 'test':
      await prepare('everything')
      return runTests(rest)
    case 'conformance':
      await prepare('everything')
      return node('node_modules/vitest/vitest.mjs', 'run', 'conformance/', ...rest)
    case 'pm': {
      await withLock(installRuntime)
      const status = await node(...npmArguments(rest))
      if (status === 0) stampDependencies('everything')
      return status
    }
    default:
      throw new BootError(
        `"${command ?? ''}" is not a command; choose start, test, conformance, nearfield, bench, align, lanes, upstream, soak, setup or pm.`,
        'npm start',
      )
  }
}

process.chdir(root)
main().then(
  (status) => {
    process.exitCode = status
  },
  (error) => {
    if (error instanceof BootError) say(`${error.message}\n\nTo fix it, run:  ${error.fix}`)
    else say(error?.stack ?? String(error))
    process.exitCode = 1
  },
)
