import { isUtf8 } from 'node:buffer'
import { NearfieldError } from '../errors.ts'

const quote = 34
const backslash = 92

/**
 * Parses a JSON body that means exactly one thing. What JSON.parse would let pass in silence is refused here: bytes that are not
 * UTF-8, a key given twice (the last would win), `__proto__` as a key, nesting deeper than `depthMax`. The scan runs
 * before the parser, so nothing deep is ever built.
 * @throws NearfieldError `malformed_json` with the position; the message never repeats the text
 */
export function parseStrictJson(body: Buffer, depthMax: number): unknown {
  if (body.length === 0) throw malformed('The request body is empty. Send a JSON object.')
  if (!isUtf8(body)) throw malformed('The request body is not valid UTF-8.')
  const text = body.toString('utf8')
  if (text.charCodeAt(0) === 0xfeff) throw malformed('The request body starts with a byte order mark. Send plain UTF-8 without one.')
  scan(text, depthMax)
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw malformed(`The request body is not valid JSON${placeOf(thrown)}.`)
  }
}

/**
 * Walks the tokens once, keeping for every open bracket the keys seen (objects) or nothing (arrays).
 * Text that is not JSON may slip through; the parser refuses it after.
 */
function scan(text: string, depthMax: number): void {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote: {
        const end = endOfString(text, at)
        const keys = open.at(-1)
        if (keys !== undefined && isKey(text, end)) refuseKey(text.slice(at, end), keys)
        at = end - 1
        break
      }
      case 123: // {
        open.push(new Set())
        break
      case 91: // [
        open.push(undefined)
        break
      case 125: // }
      case 93: // ]
        open.pop()
        break
    }
    if (open.length > depthMax) throw malformed(`The request body is nested deeper than ${depthMax} levels.`)
  }
}

/** The index after the closing quote of the string that opens at `start`. Long texts are crossed by `indexOf`, not by hand. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === backslash) backslashes++
    if (backslashes % 2 === 0) return at + 1
  }
  return text.length
}

function isKey(text: string, end: number): boolean {
  let at = end
  for (let code = text.charCodeAt(at); code === 32 || code === 9 || code === 10 || code === 13; code = text.charCodeAt(at)) at++
  return text[at] === ':'
}

/** `written` is the key with its quotes; two spellings of one key, such as `"a"` and `"\u0061"`, are one key. */
function refuseKey(written: string, seen: Set<string>): void {
  const key = written.includes('\\') ? unescaped(written) : written.slice(1, -1)
  if (key === '__proto__') throw malformed('The request body has a key `__proto__`, which is not allowed.')
  if (seen.has(key)) throw malformed(`The request body gives the key ${shown(key)} twice.`)
  seen.add(key)
}

function unescaped(written: string): string {
  try {
    return String(JSON.parse(written))
  } catch {
    return written
  }
}

/** A caller's own word in a message to that caller: quoted, escaped and short. */
export function shown(word: string): string {
  return JSON.stringify(word.length > 64 ? `${word.slice(0, 63)}…` : word)
}

/** V8's message holds a piece of the text, so only its position is kept. */
function placeOf(thrown: unknown): string {
  const position = thrown instanceof Error ? /at position (\d+)/.exec(thrown.message)?.[1] : undefined
  return position === undefined ? '' : ` at character ${Number(position) + 1}`
}

function malformed(message: string): NearfieldError {
  return new NearfieldError('malformed_json', message)
}
