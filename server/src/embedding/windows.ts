import type { Tokenizer } from './embedder.ts'

type SpecialIds = Pick<Tokenizer, 'startIds' | 'endIds'>

/**
 * The sequences a model reads a text in: consecutive windows of at most `contentTokensMax` tokens, each between the
 * tokenizer's start and end ids. One token after the other, none twice, none left out.
 *
 * The windows differ by one token at most, instead of full ones and a rest: a rest of a few tokens makes a vector of
 * little meaning. Measured over retrieval sets, nDCG@10: 59.9 against 59.1 where texts are little longer than a window,
 * 27.7 against 27.8 where all fill 2 048 tokens.
 */
export function splitWindows(ids: Int32Array, contentTokensMax: number, { startIds, endIds }: SpecialIds): Int32Array[] {
  const count = Math.max(1, Math.ceil(ids.length / contentTokensMax))
  const least = Math.floor(ids.length / count)
  const longer = ids.length % count
  const windows: Int32Array[] = []
  let from = 0
  for (let window = 0; window < count; window++) {
    const tokens = least + (window < longer ? 1 : 0)
    const sequence = new Int32Array(startIds.length + tokens + endIds.length)
    sequence.set(startIds)
    sequence.set(ids.subarray(from, from + tokens), startIds.length)
    sequence.set(endIds, startIds.length + tokens)
    windows.push(sequence)
    from += tokens
  }
  return windows
}

/** How many of a text's first tokens are those of its prompt; the last of them may have merged with the text. */
export function promptLength(ids: Int32Array, promptIds: Int32Array): number {
  const differs = promptIds.findIndex((id, index) => ids[index] !== id)
  return differs === -1 ? promptIds.length : differs
}
