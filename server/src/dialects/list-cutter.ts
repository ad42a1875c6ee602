import { NearfieldError } from '../errors.ts'

const [quote, backslash, comma] = [34, 92, 44]
const closing: Readonly<Record<number, number>> = { 123: 125, 91: 93 }
const openList = 91

/** JSON without its long lists, and these apart from it. */
export interface CutJson {
  /** In place of each list stands a list of one number: which of `lists` it is. */
  readonly rest: Buffer
  /** `[lists][entries]`, each entry as it was written. */
  readonly lists: readonly (readonly Buffer[])[]
}

/**
 * Takes JSON piece by piece and cuts the entries out of the lists that are nested so deep, so that a body of many megabytes never has
 * to be parsed at once. Only brackets, strings and commas are looked at: whether the rest and every entry are JSON is for whoever
 * parses them, and then the whole was.
 */
export class ListCutter {
  readonly #depth: number
  readonly #rest: Buffer[] = []
  readonly #lists: Buffer[][] = []
  /** What closes the brackets that are open. */
  readonly #open: number[] = []
  /** Of an entry that has begun; `undefined` outside of lists that are cut. */
  #entry: Buffer[] | undefined
  #inString = false
  #escaped = false

  /** @param depth 1 is the outermost value */
  constructor(depth: number) {
    this.#depth = depth
  }

  /** @throws NearfieldError `malformed_json` where brackets do not match */
  push(piece: Buffer): void {
    let from = 0
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] ?? 0
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === backslash) this.#escaped = true
        else if (byte === quote) this.#inString = false
        continue
      }
      if (byte === quote) this.#inString = true
      else if (byte === comma && this.#entry !== undefined && this.#open.length === this.#depth) {
        this.#endEntry(piece.subarray(from, at))
        from = at + 1
      } else if (byte === 123 || byte === openList) {
        this.#open.push(closing[byte] ?? 0)
        if (byte !== openList || this.#open.length !== this.#depth) continue
        this.#keep(piece.subarray(from, at + 1))
        this.#rest.push(Buffer.from(String(this.#lists.push([]) - 1)))
        this.#entry = []
        from = at + 1
      } else if (byte === 125 || byte === 93) {
        if (this.#entry !== undefined && this.#open.length === this.#depth) {
          this.#endList(piece.subarray(from, at))
          from = at
        }
        if (this.#open.pop() !== byte) throw malformed()
      }
    }
    this.#keep(piece.subarray(from))
  }

  /** @throws NearfieldError `malformed_json` when something is still open */
  finish(): CutJson {
    if (this.#open.length > 0 || this.#inString) throw malformed()
    return { rest: Buffer.concat(this.#rest), lists: this.#lists }
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > 0) (this.#entry ?? this.#rest).push(bytes)
  }

  #endEntry(bytes: Buffer): void {
    this.#keep(bytes)
    this.#lists.at(-1)?.push(Buffer.concat(this.#entry ?? []))
    this.#entry = []
  }

  /** A list without anything in it has no entries; after a comma nothing is one that is not JSON. */
  #endList(bytes: Buffer): void {
    this.#endEntry(bytes)
    const list = this.#lists.at(-1)
    if (list?.length === 1 && list[0]?.every(isSpace)) list.pop()
    this.#entry = undefined
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 10 || byte === 13
}

function malformed(): NearfieldError {
  return new NearfieldError('malformed_json', 'The request body is not valid JSON: its brackets or quotes do not match.')
}
