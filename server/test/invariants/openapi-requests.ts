import { formOf, type Part } from '../openai/multipart.ts'
import { HostileBodies, hostileNumbers, hostileTexts } from './hostile-bodies.ts'

/** As much of an OpenAPI document as requests are made from. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>
}

interface OperationObject {
  readonly operationId: string
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: JsonSchema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
  readonly responses: Readonly<Record<string, unknown>>
}

interface JsonSchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly contentMediaType?: string
}

/** Ids of what there is on the server, which nobody could guess. */
export interface KnownIds {
  /** By the beginning of the path whose parameter they are. */
  readonly paths: Readonly<Record<string, readonly string[]>>
  /** By the field of a body, or of an address, that names them. */
  readonly fields: Readonly<Record<string, readonly string[]>>
  /** Headers without which an operation is nothing, each with what it may say. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

export interface FuzzRequest {
  readonly operation: string
  /** `fitting` keeps to the document, `bent` breaks it in a few places, `hostile` has bytes that know nothing of it. */
  readonly kind: 'fitting' | 'bent' | 'hostile'
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  /** The statuses that the document names. */
  readonly statuses: ReadonlySet<number>
}

interface Operation extends OperationObject {
  readonly method: string
  readonly path: string
  readonly statuses: ReadonlySet<number>
}

const models = ['gemini-embedding-001', 'gemini-embedding-001', 'all-minilm-l6-v2', 'models/gemini-embedding-001', 'no-such-model']
const hostileNames = ['..', '%00', '%2e%2e%2f', 'a'.repeat(300), '%F0%9F%8E%89', 'x:embedContent', '*', '%', '%zz', '%ed%a0%80', '%7B%7D']
const plainTexts = ['hello', 'hello world', 'a b c', 'one', 'two', '🎉', 'Zürich', 'word '.repeat(40)]
const namesOfModels = ['model', 'slug', 'name']

/** Makes requests to every operation of a document, more of them to those that take a body. */
export class OpenApiRequests {
  readonly #operations: readonly Operation[]
  readonly #random: () => number
  readonly #key: string
  readonly #known: KnownIds
  readonly #bodies: HostileBodies
  /** How often a field is sent that need not be; each has its own reasons to be refused. */
  #optional = 0

  constructor(document: OpenApiDocument, random: () => number, key: string, known: KnownIds) {
    this.#operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) => {
        const statuses = new Set(Object.keys(operation.responses).map(Number))
        const one = { ...operation, method: method.toUpperCase(), path, statuses }
        return operation.requestBody === undefined ? [one] : [one, one, one]
      }),
    )
    this.#random = random
    this.#key = key
    this.#known = known
    this.#bodies = new HostileBodies(random)
  }

  get operations(): ReadonlySet<string> {
    return new Set(this.#operations.map(({ operationId }) => operationId))
  }

  next(index: number): FuzzRequest {
    const operation = this.#pick(this.#operations)
    const kind = this.#pick(['fitting', 'fitting', 'fitting', 'bent', 'bent', 'hostile'] as const)
    this.#optional = this.#pick([0.1, 0.3, 0.6])
    const headers: Record<string, string> = {}
    const query = new URLSearchParams()
    this.#sign(operation, headers, query)
    const path = this.#fill(operation, kind, headers, query)
    const bytes = this.#body(operation, kind, index, headers)
    const { operationId, method, statuses } = operation
    return { operation: operationId, kind, method, path: query.size === 0 ? path : `${path}?${query}`, headers, bytes, statuses }
  }

  /** In one of the forms that the operation takes; now and then with a bad key or none. */
  #sign({ security = [] }: Operation, headers: Record<string, string>, query: URLSearchParams): void {
    if (security.length === 0 || this.#happens(0.01)) return
    const key = this.#happens(0.01) ? this.#pick(['nf_live_wrong', 'x', '%00', 'Bearer']) : this.#key
    switch (Object.keys(this.#pick(security))[0]) {
      case 'bearer':
        headers.authorization = `Bearer ${key}`
        break
      case 'googleApiKey':
        headers['x-goog-api-key'] = key
        break
      case 'keyInAddress':
        query.set('key', key)
        break
      default:
        headers['x-api-key'] = key
    }
  }

  /** Fills in the parameters. @returns the path */
  #fill({ path, parameters = [] }: Operation, kind: FuzzRequest['kind'], headers: Record<string, string>, query: URLSearchParams): string {
    let filled = path
    for (const { in: place, name, schema } of parameters) {
      if (place === 'path') {
        const value = kind === 'hostile' && this.#happens(0.5) ? this.#pick(hostileNames) : encodeURIComponent(this.#nameIn(path))
        filled = filled.replace(`{${name}}`, value)
      } else if (name in this.#known.headers || this.#happens(kind === 'fitting' ? 0.05 : 0.3)) {
        const value =
          this.#known.headers[name] === undefined ? String(this.#valueOf(schema, name, 0)) : this.#pick(this.#known.headers[name])
        if (place === 'query') query.set(name, value)
        // A header that Node itself would not send says nothing about the server.
        else headers[name] = value.replace(/[^\x20-\x7e]/g, '?')
      }
    }
    return filled
  }

  #nameIn(path: string): string {
    const known = Object.entries(this.#known.paths).find(([start]) => path.startsWith(start))?.[1]
    return this.#pick(known === undefined || this.#happens(0.1) ? models : known)
  }

  #body(operation: Operation, kind: FuzzRequest['kind'], index: number, headers: Record<string, string>): Buffer {
    const { 'application/json': json, 'multipart/form-data': form } = operation.requestBody?.content ?? {}
    if (form !== undefined) return this.#form(form.schema, kind, index, headers)
    const schema = json?.schema
    if (schema === undefined) return Buffer.alloc(0)
    if (kind === 'hostile') {
      const { bytes, contentType } = this.#bodies.next(index)
      if (contentType !== '') headers['content-type'] = contentType
      return bytes
    }
    headers['content-type'] = this.#pick(['application/json', 'application/json; charset=utf-8'])
    let value = this.#valueOf(schema, '', 0)
    if (kind === 'bent') for (let bends = 1 + this.#below(3); bends > 0; bends--) value = this.#bend(value)
    return Buffer.from(JSON.stringify(value) ?? 'null')
  }

  #form({ properties = {}, required = [] }: JsonSchema, kind: FuzzRequest['kind'], index: number, headers: Record<string, string>): Buffer {
    const chosen = Object.entries(properties).filter(([name]) => required.includes(name) || this.#happens(this.#optional))
    const parts = chosen.map(([name, schema]): Part => {
      const content = String(this.#valueOf(schema, name, 1))
      return schema.contentMediaType === undefined ? { name, content } : { name, content, filename: 'a.jsonl' }
    })
    const bent =
      kind === 'bent' ? [...parts.slice(this.#below(2)), { name: this.#pick(strangeNames), content: this.#pick(hostileTexts) }] : parts
    const { body, type } = formOf(this.#happens(0.5) ? bent : bent.toReversed())
    headers['content-type'] = type
    return kind === 'hostile' ? this.#bodies.next(index).bytes : Buffer.from(body)
  }

  #valueOf(schema: JsonSchema, name: string, depth: number): unknown {
    if (schema.anyOf !== undefined) return this.#valueOf(this.#pick(schema.anyOf), name, depth)
    if (schema.enum !== undefined) return this.#pick(schema.enum)
    if (schema.const !== undefined) return schema.const
    switch (schema.type) {
      case 'object':
        return this.#objectOf(schema, depth)
      case 'array':
        return this.#listOf(schema, name, depth)
      case 'string':
        return this.#pick(this.#known.fields[name] ?? (namesOfModels.includes(name) ? models : plainTexts))
      case 'integer':
        return Math.round(this.#numberOf(schema))
      case 'number':
        return this.#numberOf(schema)
      case 'boolean':
        return this.#happens(0.5)
      default:
        return null
    }
  }

  #objectOf({ properties = {}, required = [] }: JsonSchema, depth: number): unknown {
    const chosen = Object.entries(properties).filter(
      ([name]) => required.includes(name) || this.#happens(this.#optional + (depth === 0 ? 0 : 0.2)),
    )
    return Object.fromEntries(chosen.map(([name, schema]) => [name, this.#valueOf(schema, name, depth + 1)]))
  }

  #listOf({ items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY }: JsonSchema, name: string, depth: number): unknown[] {
    const wished = this.#happens(0.01) ? 150 : 1 + this.#below(4)
    const length = Math.min(maxItems, Math.max(minItems, wished))
    return Array.from({ length }, () => this.#valueOf(items, name, depth + 1))
  }

  /** Mostly a number that a model takes, sometimes the ends of what is allowed. */
  #numberOf({ minimum = 0, maximum = 4_096 }: JsonSchema): number {
    const within = (value: number) => Math.min(maximum, Math.max(minimum, value))
    return this.#pick([
      minimum,
      maximum,
      within(128),
      within(256),
      within(256),
      within(384),
      minimum + this.#random() * (maximum - minimum),
    ])
  }

  /** Changes one place: a value, a name, one field more or less. */
  #bend(value: unknown): unknown {
    if (Array.isArray(value) && value.length > 0 && this.#happens(0.7)) {
      const at = this.#below(value.length)
      return value.map((item: unknown, index) => (index === at ? this.#bend(item) : item))
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return this.#bendObject(value)
    return this.#pick([() => this.#strange(), () => JSON.stringify(value), () => [value], () => ({ value })])()
  }

  #bendObject(value: object): unknown {
    const entries: [string, unknown][] = Object.entries(value)
    if (entries.length === 0 || this.#happens(0.2)) return { ...value, [this.#pick(strangeNames)]: this.#strange() }
    const at = this.#below(entries.length)
    const change = this.#below(10)
    return Object.fromEntries(
      entries.flatMap(([name, inner], index) => {
        if (index !== at) return [[name, inner]]
        if (change === 0) return []
        if (change === 1) return [[otherSpelling(name), inner]]
        return [[name, change === 2 ? this.#strange() : this.#bend(inner)]]
      }),
    )
  }

  #strange(): unknown {
    return this.#pick<() => unknown>([
      () => null,
      () => true,
      () => [],
      () => ({}),
      () => this.#pick(hostileNumbers),
      () => this.#pick(hostileTexts),
      () => Array.from({ length: this.#below(300) }, () => this.#pick(hostileTexts)),
    ])()
  }

  #happens(probability: number): boolean {
    return this.#random() < probability
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<Item>(items: readonly Item[]): Item {
    for (const item of items.slice(this.#below(items.length))) return item
    throw new RangeError('nothing to pick from')
  }
}

const strangeNames = ['__proto__', 'constructor', 'toString', '', 'model', 'input', 'dimensions', 'n', 'stream', 'a'.repeat(500)]

/** `taskType` for `task_type`, and the other way round. */
function otherSpelling(name: string): string {
  const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return camel === name ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : camel
}
