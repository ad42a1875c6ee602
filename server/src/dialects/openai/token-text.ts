import { createRequire } from 'node:module'
import type cl100k from 'js-tiktoken/ranks/cl100k_base'
import { NearfieldError } from '../../errors.ts'

interface TokenTable {
  /** The bytes of each token in base64. */
  readonly bytes: readonly string[]
  readonly specials: ReadonlyMap<number, string>
}

let table: TokenTable | undefined

/**
 * The text of tokens of cl100k_base, the encoding of OpenAI's embedding models, which clients that count for themselves send
 * instead of texts. Its table is large, so it is loaded when it is first needed, which few callers ever bring about; that takes
 * some 50 milliseconds, once.
 * @throws NearfieldError `invalid_request` for a token that there is not
 */
export function textOfTokens(tokens: readonly number[]): string {
  table ??= loadTable()
  const { bytes, specials } = table
  return Buffer.concat(tokens.map((token) => bytesOf(token, bytes, specials))).toString('utf8')
}

function loadTable(): TokenTable {
  const encoding: typeof cl100k = createRequire(import.meta.url)('js-tiktoken/ranks/cl100k_base')
  // The table is one line: a mark, the id of the first token, then the tokens.
  const [, first, ...bytes] = encoding.bpe_ranks.split(' ')
  if (first !== '0') throw new Error('the table of cl100k_base does not begin with token 0')
  return { bytes, specials: new Map(Object.entries(encoding.special_tokens).map(([text, id]) => [id, text])) }
}

function bytesOf(token: number, table: readonly string[], specials: ReadonlyMap<number, string>): Buffer {
  const bytes = table[token]
  if (bytes !== undefined) return Buffer.from(bytes, 'base64')
  const special = specials.get(token)
  if (special !== undefined) return Buffer.from(special)
  throw new NearfieldError('invalid_request', `There is no token ${token} in cl100k_base. Send texts, or tokens of that encoding.`, {
    details: { field: 'input' },
  })
}
