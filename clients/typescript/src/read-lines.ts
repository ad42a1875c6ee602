/** Lines of a text that comes in pieces, without their breaks; empty ones are left out. A character may be cut by two pieces. */
export async function* readLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let unfinished: string[] = []
  for await (const piece of pieces) {
    const [first = '', ...rest] = decoder.decode(piece, { stream: true }).split('\n')
    unfinished.push(first)
    for (const next of rest) {
      const line = unfinished.join('')
      if (line !== '') yield line
      unfinished = [next]
    }
  }
  const last = unfinished.join('') + decoder.decode()
  if (last !== '') yield last
}
