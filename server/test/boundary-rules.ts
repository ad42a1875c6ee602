/**
 * Who may import whom, and the other rules of the house that a machine can check. Every rule takes source files and
 * returns one sentence per breach; `boundaries.test.ts` runs them on the repository and on files made to break them.
 */
export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

interface Import {
  /** A path from the root of the repository for our own files, otherwise the package's or module's name as written. */
  readonly target: string
  readonly typeOnly: boolean
}

const roomsOfDomain = ['models', 'access', 'billing', 'jobs', 'webhooks', 'cache']
const ground = ['errors.ts', 'ids.ts', 'money.ts', 'page.ts', 'time.ts', 'unless-aborted.ts']
const settings = ['config.ts', 'environment.ts', 'job-settings.ts', 'upstream-settings.ts', 'webhook-settings.ts', 'telemetry.ts']

/** Files that hold a room's contract; any room may import their types. */
const ports = [
  'access/access.ts',
  'access/principal.ts',
  'billing/reservation.ts',
  'embedding/embedder.ts',
  'embedding/request.ts',
  'jobs/async-requests.ts',
  'jobs/batches.ts',
  'jobs/files.ts',
  'models/model.ts',
]

/** What one request may use, and the calls that are made of it or go part of its way. */
const serveArrows = [...ground, ...settings, 'access/', 'models/', 'embedding/', 'billing/', 'cache/']
const besideServe = [
  'serve-distinct.ts',
  'serve-estimate.ts',
  'serve-items.ts',
  'serve-lines.ts',
  'serve-or-fall-back.ts',
  'serve-rerank.ts',
  'serve-similarity.ts',
  'serve-tokenize.ts',
]

/**
 * The arrows. A target is a file, or a folder with its slash; `*` is everything of ours. Whatever is not named is
 * forbidden, except that a folder may always import from itself.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(ground.map((file) => [file, []])),
  ...Object.fromEntries(settings.map((file) => [file, [...ground, 'config.ts']])),
  'config.ts': [...ground, 'environment.ts', 'job-settings.ts', 'upstream-settings.ts', 'webhook-settings.ts'],
  'environment.ts': [],
  'job-settings.ts': ['environment.ts'],
  'upstream-settings.ts': ['environment.ts'],
  'webhook-settings.ts': ['environment.ts'],
  'storage/': [...ground, ...settings],
  ...Object.fromEntries(roomsOfDomain.map((room) => [`${room}/`, [...ground, ...settings, 'storage/']])),
  'billing/': [...ground, ...settings, 'storage/', 'models/'],
  'webhooks/': [...ground, ...settings, 'storage/', 'jobs/'],
  'embedding/': [...ground, ...settings],
  'inference/': [...ground, ...settings, 'models/', 'embedding/embedder.ts'],
  'upstream/': [...ground, ...settings, 'models/', 'embedding/embedder.ts', 'embedding/estimate-tokens.ts'],
  'dialects/': [
    ...[...ground, 'embedding/request.ts', 'embedding/output-type.ts'],
    // What a dialect writes down of files, batches and requests that are answered later.
    ...['jobs/async-requests.ts', 'jobs/batches.ts', 'jobs/files.ts'],
  ],
  'serve.ts': serveArrows,
  ...Object.fromEntries(besideServe.map((file) => [file, [...serveArrows, 'serve.ts', 'serve-distinct.ts']])),
  'batch-output.ts': ['jobs/batch-store.ts'],
  'batch-chunks.ts': [...ground, ...settings, 'dialects/batch-wire.ts', 'jobs/', 'serve-lines.ts'],
  'batch-validation.ts': [...ground, ...settings, 'batch-chunks.ts', 'dialects/batch-wire.ts', 'jobs/'],
  'answer-chunk.ts': [...serveArrows, 'batch-chunks.ts', 'batch-output.ts', 'serve.ts', 'serve-lines.ts'],
  'run-batches.ts': [
    ...[...serveArrows, 'jobs/', 'serve.ts', 'dialects/batch-wire.ts'],
    ...['answer-chunk.ts', 'batch-chunks.ts', 'batch-output.ts', 'batch-validation.ts'],
  ],
  'run-requests.ts': [...serveArrows, 'jobs/', 'serve.ts', 'serve-or-fall-back.ts', 'dialects/async-wire.ts'],
  'host-jobs.ts': ['*', '!http/', '!main.ts'],
  'routed-models.ts': ['serve.ts', 'upstream-models.ts'],
  'served-models.ts': [...ground, 'models/', 'inference/', 'serve.ts'],
  'metrics.ts': [...ground, ...settings],
  'upstream-metrics.ts': ['metrics.ts', 'upstream/'],
  'job-metrics.ts': ['jobs/', 'metrics.ts', 'time.ts'],
  'model-metrics.ts': ['cache/', 'inference/', 'metrics.ts', 'served-models.ts'],
  'host-models.ts': ['*', '!http/', '!main.ts'],
  'align-model.ts': [...ground, ...settings, 'models/', 'upstream/', 'embedding/request.ts'],
  'upstream-recording.ts': [...ground, ...settings, 'context.ts', 'models/', 'upstream/'],
  'upstream-models.ts': [
    ...[...ground, ...settings, 'context.ts', 'models/', 'embedding/', 'upstream/', 'serve.ts'],
    'upstream-recording.ts',
  ],
  'context.ts': ['*', '!http/', '!main.ts'],
  'http/': ['*', '!main.ts', '!context.ts'],
  'main.ts': ['*'],
}

/** Packages that only some files may import; a test beside a file is bound by the same rule. */
const packageOwners: readonly { readonly name: RegExp; readonly owner: string; readonly owns: (path: string) => boolean }[] = [
  {
    name: /^(drizzle-orm|drizzle-kit)(\/|$)/,
    owner: 'storage/ and store.ts files',
    owns: (path) => path.startsWith('server/src/storage/') || /\/([a-z-]+-)?store\.ts$/.test(path),
  },
  { name: /^(pg|@electric-sql\/.*)$/, owner: 'storage/', owns: (path) => path.startsWith('server/src/storage/') },
  { name: /^(fastify|@fastify\/.*)$/, owner: 'http/', owns: (path) => path.startsWith('server/src/http/') },
  {
    name: /^(onnxruntime-.*|@huggingface\/tokenizers)$/,
    owner: 'inference/',
    owns: (path) => path.startsWith('server/src/inference/'),
  },
  { name: /^ajv$/, owner: 'dialects/', owns: (path) => path.startsWith('server/src/dialects/') },
  { name: /^pg-boss$/, owner: 'jobs/', owns: (path) => path.startsWith('server/src/jobs/') },
  { name: /^@redis\//, owner: 'cache/', owns: (path) => path.startsWith('server/src/cache/') },
  { name: /^@prometheus-io\//, owner: 'the metrics files', owns: (path) => /\/(model-|upstream-|job-)?metrics\.ts$/.test(path) },
  { name: /^commander$/, owner: 'cli/', owns: (path) => path.startsWith('cli/') },
]

/** Entry files of child processes: their environment is a message from the server, not a setting. */
const childEntry = /^server\/src\/(inference|storage)\/[a-z-]+-(entry|process|worker)\.ts$/
const serverRoot = 'server/src/'
const isTest = (path: string) => path.endsWith('.test.ts') || /^(server|cli|clients\/[a-z]+)\/test\//.test(path)

/** Rule: imports follow the arrows. */
export function forbiddenImports(files: readonly SourceFile[]): string[] {
  const breaches: string[] = []
  for (const file of files) {
    if (isTest(file.path)) continue
    for (const { target, typeOnly } of importsOf(file)) {
      if (!mayImport(file.path, target, typeOnly)) breaches.push(`${file.path} must not import ${target}`)
    }
  }
  return breaches
}

function mayImport(from: string, target: string, typeOnly: boolean): boolean {
  const ours = target.startsWith('server/') || target.startsWith('cli/')
  if (from.startsWith('cli/'))
    return target === '@nearfield/server/main' || (ours ? target.startsWith('cli/') : !target.startsWith('@nearfield/'))
  // Clients run everywhere and know the server by its wire alone.
  if (from.startsWith('clients/')) return target.startsWith(from.slice(0, from.indexOf('/src/') + 1))
  if (!ours) return true
  if (!target.startsWith(serverRoot)) return false
  const source = from.slice(serverRoot.length)
  const wanted = target.slice(serverRoot.length)
  const place = placeOf(source)
  if (typeOnly && ports.includes(wanted)) return true
  if (place.startsWith('dialects/')) return mayDialectImport(source, wanted)
  if (place.endsWith('/') && wanted.startsWith(place)) return true
  // Routes may name what they are handed, but only context.ts makes it.
  if (typeOnly && place === 'http/' && wanted === 'context.ts') return true
  const allowed = arrows[place]
  if (allowed === undefined) return false
  const matches = (pattern: string) => (pattern.endsWith('/') ? wanted.startsWith(pattern) : wanted === pattern)
  if (allowed.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false
  return allowed.includes('*') || allowed.some(matches)
}

/** The room of a file, or the file itself when it stands beside the rooms. */
function placeOf(path: string): string {
  return path.includes('/') ? `${path.slice(0, path.indexOf('/'))}/` : path
}

/** A dialect knows itself, the shape all dialects share, the request and the types of ports; never another dialect. */
function mayDialectImport(source: string, wanted: string): boolean {
  if (arrows['dialects/']?.includes(wanted)) return true
  if (!wanted.startsWith('dialects/')) return false
  const isShared = wanted.split('/').length === 2
  return isShared || source.split('/')[1] === wanted.split('/')[1]
}

/** Rule: a package that belongs to one room is imported there alone. */
export function strayPackages(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => !isTest(file.path))
    .flatMap((file) =>
      importsOf(file).flatMap(({ target }) =>
        packageOwners
          .filter(({ name, owns }) => name.test(target) && !owns(file.path))
          .map(({ owner }) => `${file.path} must not import ${target}: only ${owner} may`),
      ),
    )
}

/** Rule: settings come from config.ts. */
export function strayEnvironmentReads(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTest(path) && path !== 'server/src/config.ts' && !path.startsWith('cli/') && !childEntry.test(path))
    .filter(
      ({ path, text }) =>
        path.startsWith(serverRoot) && /\bprocess\s*(\.env\b|\[\s*['"]env)|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/.test(code(text)),
    )
    .map(({ path }) => `${path} must not read process.env: only config.ts may`)
}

/** Rule: time comes from a Clock. */
export function strayClocks(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.startsWith(serverRoot) && !isTest(path) && path !== 'server/src/time.ts')
    .filter(({ text }) => /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\s*\)|\bprocess\.hrtime\b/.test(code(text)))
    .map(({ path }) => `${path} must not read the time: take a Clock (time.ts)`)
}

/** Rule: no drawers without a name, no barrels. */
export function forbiddenNames(files: readonly SourceFile[]): string[] {
  const drawer = /^(utils?|common|helpers?|libs?|managers?|misc|shared)$/
  return files.flatMap(({ path, text }) => {
    const breaches: string[] = []
    const parts = path.split('/').map((part) => part.replace(/(\.test)?\.[a-z]+$/, ''))
    const name = parts.find((part) => drawer.test(part))
    if (name !== undefined) breaches.push(`${path}: "${name}" never says what it holds`)
    if (parts.at(-1) === 'index') breaches.push(`${path}: no index files, import the file itself`)
    if (/^\s*export\s+(type\s+)?\*/m.test(code(text))) breaches.push(`${path}: no barrels, export what is declared here`)
    return breaches
  })
}

const linesMax = 500
const medianLinesMax = 100

/** Rule: no file over 500 lines, and half of the sources at 100 or fewer. */
export function oversizedFiles(files: readonly SourceFile[]): string[] {
  const breaches = files
    .map(({ path, text }) => ({ path, lines: linesOf(text) }))
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines} lines, ${linesMax} are allowed`)
  const median = medianLines(files)
  if (median > medianLinesMax) breaches.push(`half of the source files have more than ${median} lines, the median may be ${medianLinesMax}`)
  return breaches
}

export function medianLines(files: readonly SourceFile[]): number {
  const counts = files
    .filter(({ path }) => !isTest(path))
    .map(({ text }) => linesOf(text))
    .toSorted((left, right) => left - right)
  return counts[Math.floor(counts.length / 2)] ?? 0
}

function linesOf(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Every module a file names: static, dynamic, re-exported. */
function importsOf(file: SourceFile): Import[] {
  const text = code(file.text)
  const imports: Import[] = []
  const statements = /\b(?:import|export)\s+(type\b\s*(?=[{*\w]))?(?:[\w*{][^'"();]*?\bfrom\s*)?['"]([^'"]+)['"]/g
  for (const match of text.matchAll(statements))
    imports.push({ target: resolve(file.path, match[2] ?? ''), typeOnly: match[1] !== undefined })
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
    imports.push({ target: resolve(file.path, match[1] ?? ''), typeOnly: false })
  return imports
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? new URL(specifier, `file:///${from}`).pathname.slice(1) : specifier
}

/** The text without its comments; strings stay, so a comment mark inside one is left alone. */
function code(text: string): string {
  const stringsAndComments = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(stringsAndComments, (part) => (part.startsWith('/') ? ' ' : part))
}
