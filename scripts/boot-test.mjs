import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { cache, root, runForeground, say, seconds, stopwatch } from './boot-process.mjs'
import { runtimeEnvironment, runtimePath } from './boot-runtime.mjs'

const bin = (name) => path.join('node_modules', name)
const checks = [
  { title: 'types', arguments_: [bin('typescript/bin/tsc'), '--noEmit'] },
  { title: 'lint and format', arguments_: [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings'] },
  { title: 'dead code', arguments_: [bin('knip/bin/knip.js')] },
]

/** Runs every check, then every test, and counts a check as one test. The last line on stdout is the verdict alone. */
export async function runTests(vitestArguments) {
  const elapsed = stopwatch()
  const run = (arguments_) => runForeground(runtimePath, arguments_, { cwd: root, env: runtimeEnvironment() })
  let passed = 0
  let failed = 0
  for (const { title, arguments_ } of checks) {
    const watch = stopwatch()
    const status = await run(arguments_)
    say(`${title}: ${status === 0 ? 'ok' : 'FAILED'} in ${seconds(watch())}`)
    if (status === 0) passed++
    else failed++
  }
  const tests = await runVitest(run, vitestArguments)
  process.stdout.write(`time: ${seconds(elapsed())}\n`)
  const skipped = tests.skipped === 0 ? '' : `, ${tests.skipped} skipped`
  process.stdout.write(`${passed + tests.passed} passed, ${failed + tests.failed} failed${skipped}\n`)
  return failed + tests.failed === 0 ? 0 : 1
}

async function runVitest(run, vitestArguments) {
  const report = path.join(cache, 'tests.json')
  mkdirSync(cache, { recursive: true })
  rmSync(report, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const status = await run([bin('vitest/vitest.mjs'), 'run', ...reporters, ...vitestArguments])
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'))
    // A file that does not load, or an error outside a test, fails the run without a failed test.
    const failed = Math.max(numFailedTests, status === 0 ? 0 : 1)
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}
