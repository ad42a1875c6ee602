import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../../server/test/harness.ts'
import { installedRuntimes, missingRuntimes } from './runtimes.ts'

const run = promisify(execFile)
const packageRoot = path.resolve(import.meta.dirname, '..')
const compiler = path.resolve(packageRoot, '../../node_modules/typescript/bin/tsc')
const runtimes = installedRuntimes()
const missing = missingRuntimes(runtimes)

let server: TestServer
/** A program's folder, with the built package among its dependencies and every example of the README as a file. */
let folder: string
let examples: readonly string[]

beforeAll(async () => {
  // Every runtime asks for the same texts.
  server = await startTestServer({ environment: { NEARFIELD_CACHE_BYTES_MAX: '16777216' } })
  folder = await mkdtemp(path.join(tmpdir(), 'nearfield-client-'))
  const installed = path.join(folder, 'node_modules/@nearfield/client')
  await mkdir(installed, { recursive: true })
  await cp(path.join(packageRoot, 'package.json'), path.join(installed, 'package.json'))
  await compile(['-p', path.join(packageRoot, 'tsconfig.build.json'), '--outDir', path.join(installed, 'dist')])
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}')
  const readme = await readFile(path.join(packageRoot, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  examples = blocks.map((_, index) => `example-${index}`)
  for (const [index, code] of blocks.entries()) {
    const pointed = code.replaceAll('nf_live_…', server.key).replaceAll('http://127.0.0.1:8080', server.url)
    await writeFile(path.join(folder, `example-${index}.ts`), pointed)
  }
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const strictWeb = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', '--types', '']

async function compile(arguments_: readonly string[]): Promise<void> {
  await run(process.execPath, [compiler, ...arguments_], { cwd: folder }).catch(({ stdout }) => expect.fail(`tsc:\n${stdout}`))
}

test('the sources are compiled knowing the web alone: what only Node has would not compile', async () => {
  const { compilerOptions } = JSON.parse(await readFile(path.join(packageRoot, 'tsconfig.json'), 'utf8'))
  expect(compilerOptions).toMatchObject({ lib: ['es2022', 'dom'], types: [] })
  const onlyInNode = [
    "import 'node:fs'",
    'Buffer.from([])',
    'process.exit()',
    'setTimeout(() => {}, 1).unref()',
    '__dirname',
    "require('fs')",
  ]
  await writeFile(path.join(folder, 'only-in-node.ts'), onlyInNode.join('\n'))
  const compiling = run(process.execPath, [compiler, ...strictWeb, '--noEmit', '--pretty', 'false', 'only-in-node.ts'], { cwd: folder })
  const report = await compiling.then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  )
  const refused = [...report.matchAll(/^only-in-node\.ts\((\d+)/gm)].map(([, line]) => onlyInNode[Number(line) - 1])
  expect(refused).toEqual(onlyInNode)
})

test('the package holds what it names, depends on nothing, and is JavaScript with types', async () => {
  const manifest = JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8'))
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) expect(manifest[kind]).toBeUndefined()
  const built = path.join(folder, 'node_modules/@nearfield/client')
  for (const target of Object.values<string>(manifest.exports['.'])) expect(await readFile(path.join(built, target), 'utf8')).not.toBe('')
  const files = await readdir(path.join(built, 'dist'))
  expect(files.filter((name) => !/^[a-z-]+\.(js|d\.ts)$/.test(name) || name.includes('test'))).toEqual([])
  for (const name of files.filter((file) => file.endsWith('.js'))) {
    const code = await readFile(path.join(built, 'dist', name), 'utf8')
    for (const [, specifier] of code.matchAll(/\bfrom '([^']+)'/g)) expect(specifier).toMatch(/^\.\/[a-z-]+\.js$/)
  }
})

test('every example of the README fits the types that are published', async () => {
  expect(examples.length).toBeGreaterThan(2)
  await compile([...strictWeb, ...examples.map((name) => `${name}.ts`)])
})

test.each(runtimes)(
  `$title runs every example of the README${missing.length === 0 ? '' : ` (not here: ${missing.join(', ')})`}`,
  async (runtime) => {
    for (const name of examples) {
      const [program, ...arguments_] = runtime.command(`${name}.js`)
      const { stdout } = await run(program, arguments_, { cwd: folder })
      // The last one, of errors, has nothing to say when none comes.
      expect(stdout, name).toMatch(name === examples.at(-1) ? /^$/ : /\d/)
    }
  },
)
