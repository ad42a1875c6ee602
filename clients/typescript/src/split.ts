/** A stretch of a list of texts that fits one request: from `from` up to, not including, `to`. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

export interface SplitLimits {
  readonly textsMax: number
  /** Of the texts as JSON in UTF-8, which is what a server's limit on bodies is about. */
  readonly bytesMax: number
}

/**
 * Cuts a list into stretches, in order and without gaps, each within both limits. A text that is larger than `bytesMax` alone
 * stands alone; whether it is too large is the server's to say.
 */
export function split(texts: readonly string[], { textsMax, bytesMax }: SplitLimits): Stretch[] {
  const encoder = new TextEncoder()
  const stretches: Stretch[] = []
  let from = 0
  let bytes = 0
  for (const [index, text] of texts.entries()) {
    const more = encoder.encode(JSON.stringify(text)).length + comma
    if (index > from && (index - from >= textsMax || bytes + more > bytesMax)) {
      stretches.push({ from, to: index })
      from = index
      bytes = 0
    }
    bytes += more
  }
  if (texts.length > from) stretches.push({ from, to: texts.length })
  return stretches
}

const comma = 1
