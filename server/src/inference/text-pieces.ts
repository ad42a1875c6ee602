/** What a tokenizer is given at once, in UTF-16 units. */
const pieceMin = 2_048
const pieceMax = 32_768
/** More characters than a token is long on average, so that the first piece is nearly always enough. */
const charactersPerToken = 8

/**
 * Reads a text in pieces until there are enough ids. A piece ends before a space with a letter behind it, where the words of
 * every tokenizer that splits at spaces end, too, so that the ids are those of the whole text. Only a stretch of
 * 32 768 characters without such a place is cut where it stands, as if a word ended there.
 * @param read appends the ids of a piece
 */
export function encodeInPieces(text: string, tokensMax: number, read: (piece: string, ids: number[]) => void): Int32Array {
  const ids: number[] = []
  let from = 0
  while (from < text.length && ids.length < tokensMax) {
    const length = Math.min(Math.max(pieceMin, charactersPerToken * (tokensMax - ids.length)), pieceMax)
    const to = endOfPiece(text, from, length)
    read(text.slice(from, to).toWellFormed(), ids)
    from = to
  }
  return Int32Array.from(ids.slice(0, tokensMax))
}

const letter = /^\p{L}$/u

function endOfPiece(text: string, from: number, length: number): number {
  const longest = from + length
  if (longest >= text.length) return text.length
  for (let end = longest; end > from; end--) {
    if (text[end] === ' ' && text[end - 1]?.trim() !== '' && letter.test(String.fromCodePoint(text.codePointAt(end + 1) ?? 0))) return end
  }
  // Not between the halves of a pair.
  return /[\udc00-\udfff]/.test(text[longest] ?? '') ? longest - 1 : longest
}
