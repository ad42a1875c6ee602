import { NearfieldError } from '../../errors.ts'

/** Turns the tokens of one text into it. @throws NearfieldError `invalid_request` for a token that there is not */
export type TokensReader = (tokens: readonly number[]) => string

let reader: Promise<TokensReader> | undefined

/**
 * Reads tokens of cl100k_base, the encoding of OpenAI's embedding models, which clients that count for themselves send
 * instead of texts. Its table is loaded when it is first needed, because few callers ever need it.
 */
export function tokensReader(): Promise<TokensReader> {
  reader ??= loadReader()
  return reader
}

async function loadReader(): Promise<TokensReader> {
  const { default: encoding } = await import('js-tiktoken/ranks/cl100k_base')
  // The table is one line: a mark, the id of the first token, then the bytes of each token in base64.
  const [, first, ...table] = encoding.bpe_ranks.split(' ')
  if (first !== '0') throw new Error('the table of cl100k_base does not begin with token 0')
  const specials = new Map(Object.entries(encoding.special_tokens).map(([text, id]) => [id, text]))
  return (tokens) => Buffer.concat(tokens.map((token) => bytesOf(token, table, specials))).toString('utf8')
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
