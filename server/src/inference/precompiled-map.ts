/** A longer grapheme is looked up character by character, as in the reference. UTF-8 bytes. */
const graphemeBytesMax = 5

/**
 * The table by which sentencepiece normalises, as a tokenizer.json carries it (`precompiled_charsmap`): a trie of UTF-8 bytes in
 * a double array, whose values are places in a list of texts that end with a zero byte. Sources: sentencepiece's normalizer.cc,
 * the double array of Darts-clone, and the crate spm_precompiled for what it does with graphemes.
 */
export class PrecompiledMap {
  readonly #units: Uint32Array
  readonly #texts: Uint8Array
  /** What graphemes met before become. */
  readonly #known = new Map<string, string>()
  /** Whether printable ASCII stays as it is, so that texts of it alone need not be looked at. */
  readonly #keepsEnglish: boolean
  readonly #graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

  /** @throws Error when the table is not whole */
  constructor(base64: string) {
    const bytes = Buffer.from(base64, 'base64')
    const size = bytes.length < 4 ? Number.NaN : bytes.readUInt32LE(0)
    if (!(size % 4 === 0 && size > 0 && 4 + size <= bytes.length)) throw new Error('its table of characters is not whole')
    this.#units = new Uint32Array(new Uint8Array(bytes.subarray(4, 4 + size)).buffer)
    this.#texts = bytes.subarray(4 + size)
    this.#keepsEnglish = this.#graphemeByGrapheme(printable) === printable
  }

  normalize(text: string): string {
    return this.#keepsEnglish && /^[ -~]*$/.test(text) ? text : this.#graphemeByGrapheme(text)
  }

  #graphemeByGrapheme(text: string): string {
    let normal = ''
    for (const { segment } of this.#graphemes.segment(text)) normal += this.#grapheme(segment)
    return normal
  }

  #grapheme(grapheme: string): string {
    const known = this.#known.get(grapheme)
    if (known !== undefined) return known
    const bytes = Buffer.from(grapheme)
    const whole = bytes.length <= graphemeBytesMax ? this.#lookUp(bytes) : undefined
    const normal = whole ?? [...grapheme].map((character) => this.#lookUp(Buffer.from(character)) ?? character).join('')
    if (this.#known.size < knownMax && grapheme.length <= graphemeBytesMax) this.#known.set(grapheme, normal)
    return normal
  }

  /** What the shortest beginning of these bytes that is in the table becomes. */
  #lookUp(bytes: Uint8Array): string | undefined {
    let place = offsetOf(this.#units[0] ?? 0)
    for (const byte of bytes) {
      place ^= byte
      const unit = this.#units[place] ?? 0
      if (byte === 0 || (unit & 0x8000_00ff) !== byte) return undefined
      place ^= offsetOf(unit)
      if ((unit & 0x100) !== 0) return this.#textAt((this.#units[place] ?? 0) & 0x7fff_ffff)
    }
    return undefined
  }

  #textAt(place: number): string {
    const end = this.#texts.indexOf(0, place)
    return Buffer.from(this.#texts.subarray(place, end < 0 ? this.#texts.length : end)).toString()
  }
}

const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, index) => 32 + index))

/** Graphemes remembered at most: more than a language has, less than a hostile text may bring. */
const knownMax = 20_000

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}
