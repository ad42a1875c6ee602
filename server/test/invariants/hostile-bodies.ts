/** A body as bytes and the headers it is sent with. */
export interface HostileBody {
  readonly kind: string
  readonly bytes: Buffer
  readonly contentType: string
}

/** Numbers in [0, 1) that depend on the seed alone. Source: the mulberry32 generator. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const json = 'application/json'
const fields = ['input', 'prompt', 'task_type', 'output_dimensionality', 'truncate', 'width', 'height', 'steps', 'guidance_scale']
const moreFields = [
  'negative_prompt',
  'scheduler',
  'seed',
  '__proto__',
  'constructor',
  'toString',
  '',
  'input ',
  'INPUT',
  '\u0000',
  '\ud800',
]
export const neighbourPaths = ['/v1/tokenize', '/v1/estimate', '/v1/similarity', '/v1/rerank'] as const
type NeighbourPath = (typeof neighbourPaths)[number]
const neighbourFields = [
  ...['model', 'inputs', 'pairs', 'query', 'source_sentence', 'sentences', 'documents', 'top_n', 'return_documents'],
  ...['input', 'task_type', 'output_dimensionality', 'truncate', 'add_special_tokens'],
]
export const hostileTexts = [
  'a',
  '',
  ' ',
  'word',
  '\u0000',
  '\ud800',
  '\udfff\ud800',
  '\u202e',
  '🎉'.repeat(9),
  'é',
  '[CLS]',
  '[SEP]',
  '\\',
  '"',
  '\u2028',
  '1e3',
  'null',
]
export const hostileNumbers = [
  0,
  -0,
  1,
  -1,
  128,
  768,
  3072,
  3073,
  0.5,
  1e21,
  1e308,
  -1e308,
  5e-324,
  2 ** 53 + 1,
  -(2 ** 31),
  Number.MAX_SAFE_INTEGER,
]
/** Number literals that JSON allows and doubles do not hold. */
const literals = ['1e999', '-1e999', '1E+400', '9007199254740993', '0.1e-999', `1${'0'.repeat(400)}`, `0.${'1'.repeat(2_000)}`, '-0']

/** Makes hostile bodies of every kind, the very large ones seldom. */
export class HostileBodies {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  next(index: number): HostileBody {
    if (index % 1_000 === 999) return this.#enormous()
    const kinds = [
      this.#noise,
      this.#anyJson,
      this.#wrongTypes,
      this.#mutated,
      this.#mutated,
      this.#structure,
      this.#encoded,
      this.#form,
      this.#valid,
    ]
    return (kinds[index % kinds.length] ?? this.#noise).call(this)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#below(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** A body for a call beside embedding: a good one, or one with a few fields that the call may know, too, whatever they got. */
  nextNeighbour(path: NeighbourPath): HostileBody {
    const list = () => Array.from({ length: 1 + this.#below(4) }, () => this.#pick(hostileTexts))
    const values = [
      () => this.#pick(hostileTexts),
      list,
      () => list().map((text) => [text, this.#pick(hostileTexts)]),
      () => list().map((text) => ({ text })),
      () => this.#value(4),
      () => 1 + this.#below(5),
      () => 'all-minilm-l6-v2',
    ]
    const good = {
      '/v1/tokenize': () => ({ input: list() }),
      '/v1/estimate': () => ({ input: list() }),
      '/v1/similarity': () => this.#pick([{ inputs: list() }, { query: 'a', sentences: list() }]),
      '/v1/rerank': () => ({ query: 'a', documents: list() }),
    }[path]()
    const more = Array.from({ length: this.#below(3) }, () => [this.#pick(neighbourFields), this.#pick(values)()])
    return { kind: 'neighbour', bytes: Buffer.from(JSON.stringify({ ...good, ...Object.fromEntries(more) })), contentType: json }
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#below(256)))
  }

  #noise(): HostileBody {
    return {
      kind: 'noise',
      bytes: this.#bytes(this.#below(200)),
      contentType: this.#pick([json, json, 'text/plain', '', 'application/json; charset=utf-16']),
    }
  }

  #anyJson(): HostileBody {
    return { kind: 'any JSON', bytes: Buffer.from(JSON.stringify(this.#value(0))), contentType: json }
  }

  #value(depth: number): unknown {
    const kind = this.#below(depth > 5 ? 5 : 7)
    if (kind === 0) return null
    if (kind === 1) return this.#random() < 0.5
    if (kind === 2) return this.#pick(hostileNumbers)
    if (kind <= 4) return this.#pick(hostileTexts)
    if (kind === 5) return Array.from({ length: this.#below(5) }, () => this.#value(depth + 1))
    return Object.fromEntries(
      Array.from({ length: this.#below(5) }, () => [this.#pick([...fields, ...moreFields]), this.#value(depth + 1)]),
    )
  }

  /** An object of our own fields, each with whatever it got. */
  #wrongTypes(): HostileBody {
    const body = Object.fromEntries(Array.from({ length: 1 + this.#below(4) }, () => [this.#pick(fields), this.#value(4)]))
    return { kind: 'wrong types', bytes: Buffer.from(JSON.stringify({ input: this.#pick(hostileTexts), ...body })), contentType: json }
  }

  #validText(): string {
    return JSON.stringify({
      input: this.#pick(hostileTexts),
      task_type: 'CLUSTERING',
      output_dimensionality: 128 + this.#below(3_000),
      seed: 7,
    })
  }

  /** A good body with a few bytes changed, removed, doubled, or its end cut off. */
  #mutated(): HostileBody {
    let bytes = Buffer.from(this.#validText())
    for (let changes = 1 + this.#below(4); changes > 0; changes--) {
      const at = this.#below(bytes.length)
      const piece = bytes.subarray(at, at + this.#below(12))
      const inserted = this.#pick([
        this.#bytes(1),
        this.#bytes(2),
        piece,
        Buffer.from(this.#pick(['"', '{', ']', ',', '\\u', '\\', '\u0000'])),
      ])
      bytes =
        this.#random() < 0.2 ? bytes.subarray(0, at) : Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + this.#below(3))])
    }
    return { kind: 'mutated', bytes, contentType: json }
  }

  /** JSON that parsers disagree about. */
  #structure(): HostileBody {
    const key = this.#pick([...fields, ...moreFields])
    const text = this.#pick([
      () => `{"input":"a",${JSON.stringify(key)}:1,${JSON.stringify(key)}:2}`,
      () => `{"input":"a","\\u0069nput":"b"}`,
      () => `{"input":"a","${this.#pick(['__proto__', '\\u005f_proto__', 'constructor'])}":{"prototype":{"input":"x"}}}`,
      () => `{"input":${'['.repeat(this.#below(3_000))}`,
      () => `${'{"a":'.repeat(this.#below(3_000))}1`,
      () => `{"input":"a","seed":${this.#pick(literals)}}`,
      () => `{"input":"a","output_dimensionality":${this.#pick(literals)}}`,
      () => `{"input":"a"}${this.#pick(['x', '{}', ' ', '\u0000', ']'])}`,
      () => `${' '.repeat(this.#below(10_000))}{"input":"a"}`,
      () => `{"input":"${'\\u0000'.repeat(this.#below(50))}a"}`,
      () => `{"input":"${'\\ud83d'.repeat(this.#below(50))}"}`,
      () => `{${Array.from({ length: this.#below(500) }, (_, index) => `"k${index}":1`).join()}}`,
      () => `{"${'k'.repeat(this.#below(20_000))}":1}`,
      () => `{"input":[${Array.from({ length: this.#below(4_000) }, () => '""').join()}]}`,
    ])()
    return { kind: 'structure', bytes: Buffer.from(text), contentType: json }
  }

  /** Good JSON in bytes that are not plain UTF-8. */
  #encoded(): HostileBody {
    const text = this.#validText()
    const bytes = this.#pick([
      () => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]),
      () => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]),
      () => Buffer.from(text, 'utf16le'),
      () => Buffer.from(text.replace('CLUSTERING', 'é'), 'latin1'),
      () => Buffer.from(`{"input":"${String.fromCharCode(0xed, 0xa0, 0x80)}"}`, 'latin1'),
      () => Buffer.from(`{"input":"${String.fromCharCode(0xc0, 0x80)}"}`, 'latin1'),
      () => Buffer.from('{"input":"a\u0000b"}'),
    ])()
    return { kind: 'encoded', bytes, contentType: json }
  }

  #form(): HostileBody {
    const name = this.#pick([...fields, '__proto__', '"', 'a"; filename="x'])
    const part = `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${this.#pick(hostileTexts)}\r\n`
    const whole = `${part.repeat(this.#below(4))}${this.#pick(['--b--\r\n', '--b', '', '--c--'])}`
    const contentType = this.#pick([
      'multipart/form-data; boundary=b',
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/mixed; boundary=b',
    ])
    return { kind: 'form', bytes: Buffer.from(whole), contentType }
  }

  #valid(): HostileBody {
    return { kind: 'valid', bytes: Buffer.from(this.#validText()), contentType: json }
  }

  #enormous(): HostileBody {
    const text = this.#pick([
      () => `{"input":"${'a'.repeat(10_000_000)}"}`,
      () => `{"input":"${'word '.repeat(700_000)}"}`,
      () => `{"input":"${'𠀀'.repeat(400_000)}"}`,
      () => '['.repeat(4_000_000),
      () => '{"a":'.repeat(800_000),
      () => `{"input":"a","seed":${'9'.repeat(3_000_000)}}`,
      () => `{"${'k'.repeat(3_000_000)}":1}`,
      () => `{${Array.from({ length: 200_000 }, (_, index) => `"k${index}":1`).join()}}`,
      () => '\\'.repeat(4_000_000),
      () => `"${'\\"'.repeat(2_000_000)}`,
    ])()
    return { kind: 'enormous', bytes: Buffer.from(text), contentType: json }
  }
}
