import { type LengthClass, lengthClasses, textsOf } from './corpus.ts'

/** One request of a soak and what may become of it. */
export interface SoakCall {
  readonly kind: string
  readonly path: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** Answers that are right for it. */
  readonly expected: readonly number[]
  /** Milliseconds after which the caller hangs up; `undefined` waits for the answer. */
  readonly hangUpMs: number | undefined
}

const standIn = '/v1/gemini-embedding-001'
const native = '/v1/all-minilm-l6-v2'
const [short, medium, long] = lengthClasses
const windows: LengthClass = { name: 'long', tokensMin: 900, tokensMax: 2_400 }
const json = { 'content-type': 'application/json' }
/** Half of the texts come from here, as callers do repeat themselves; the other half is new every time. */
const familiar = [short, medium, long].flatMap((lengthClass) => (lengthClass === undefined ? [] : textsOf(lengthClass, 100)))

const badBodies = [
  ['{"input":', 400],
  ['{"input":""}', 400],
  ['{"input":"a","colour":"blue"}', 400],
  ['{"input":"a","input":"b"}', 400],
  ['{"input":"a","output_dimensionality":7}', 400],
  ['{"input":"a","task_type":"DREAM"}', 400],
  ['{"input":[]}', 400],
  ['[]', 400],
] as const

/** Deals out calls of a mixed load, the same ones in the same order for the same seed. */
export class SoakCalls {
  #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  next(): SoakCall {
    const draw = this.#below(100)
    if (draw < 34) return this.#embed('one short text', standIn, { input: this.#text(short) })
    if (draw < 42) return this.#embed('one medium text', standIn, { input: this.#text(medium), task_type: 'RETRIEVAL_DOCUMENT' })
    if (draw < 45)
      return this.#embed('other dimensions', standIn, { input: this.#text(short), output_dimensionality: 128 + this.#below(2_900) })
    if (draw < 48) return this.#otherNumbers()
    if (draw < 53) return this.#embed('raw float32', native, { input: this.#text(medium) }, { accept: 'application/octet-stream' })
    if (draw < 56) return this.#embed('plain text', standIn, { input: this.#text(short) }, { accept: 'text/plain' })
    if (draw < 64) return this.#embed('a list of 32', standIn, { input: this.#texts(32, short), output_dimensionality: 768 })
    if (draw < 65) return this.#embed('a list of 200', native, { input: this.#texts(200, short) })
    if (draw < 69) return this.#embed('a text of many windows', standIn, { input: this.#text(windows) })
    if (draw < 72) return this.#embed('a long text, cut', native, { input: this.#text(windows) })
    if (draw < 82) return this.#cancelled()
    if (draw < 90) return this.#neighbour()
    return this.#bad()
  }

  #embed(kind: string, path: string, body: object, headers: Readonly<Record<string, string>> = {}): SoakCall {
    return { kind, path, body: JSON.stringify(body), headers: { ...json, ...headers }, expected: [200], hangUpMs: undefined }
  }

  #otherNumbers(): SoakCall {
    const output_dtype = ['int8', 'uint8', 'binary', 'ubinary'][this.#below(4)]
    const encoding_format = ['float', 'base64'][this.#below(2)]
    return this.#embed('other numbers', standIn, { input: this.#text(short), output_dimensionality: 512, output_dtype, encoding_format })
  }

  #cancelled(): SoakCall {
    const list = this.#below(2) === 0
    const input = list ? this.#texts(32, medium) : this.#text(windows)
    return { ...this.#embed('hangs up', standIn, { input }), hangUpMs: this.#below(40) }
  }

  /** Small calls beside embedding itself. */
  #neighbour(): SoakCall {
    const calls = [
      () => this.#embed('tokenize', '/v1/tokenize', { input: this.#texts(4, medium) }),
      () => this.#embed('estimate', '/v1/estimate', { input: this.#texts(8, short) }),
      () => this.#embed('similarity', '/v1/similarity', { inputs: this.#texts(6, short) }),
      () => this.#embed('rerank', '/v1/rerank', { query: this.#text(short), documents: this.#texts(6, short), top_n: 3 }),
    ] as const
    return (calls[this.#below(calls.length)] ?? calls[0])()
  }

  #bad(): SoakCall {
    const call = { kind: 'bad request', path: standIn, headers: json, hangUpMs: undefined }
    const draw = this.#below(12)
    const bad = badBodies[draw]
    if (bad !== undefined) return { ...call, body: bad[0], expected: [bad[1]] }
    const body = '{"input":"a"}'
    if (draw === 8) return { ...call, path: '/v1/no-such-model', body, expected: [404] }
    if (draw === 9) return { ...call, headers: { 'content-type': 'text/plain' }, body, expected: [406] }
    // Too many bad keys of one address in a minute are answered 429.
    if (draw === 10) return { ...call, headers: { ...json, 'x-api-key': `nf_live_${'x'.repeat(40)}` }, body, expected: [401, 429] }
    return { ...call, headers: { ...json, 'x-api-key': '' }, body, expected: [401] }
  }

  #texts(count: number, lengthClass: LengthClass | undefined): string[] {
    return Array.from({ length: count }, () => this.#text(lengthClass))
  }

  #text(lengthClass: LengthClass | undefined): string {
    const known = lengthClass === windows || this.#below(2) === 0 ? undefined : familiar[this.#below(familiar.length)]
    return known ?? textsOf(lengthClass ?? windows, 1, this.#next())[0] ?? ''
  }

  #below(limit: number): number {
    return this.#next() % limit
  }

  /** A whole number below 2^32. Source: xorshift32. */
  #next(): number {
    let state = this.#seed
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#seed = state
    return state >>> 0
  }
}
