/** A class of texts by their length in tokens, special tokens included. */
export interface LengthClass {
  readonly name: 'short' | 'medium' | 'long'
  readonly tokensMin: number
  readonly tokensMax: number
}

export const lengthClasses: readonly LengthClass[] = [
  { name: 'short', tokensMin: 8, tokensMax: 32 },
  { name: 'medium', tokensMin: 64, tokensMax: 128 },
  { name: 'long', tokensMin: 200, tokensMax: 256 },
]

/** Everyday words that are one token each in the model's vocabulary, so that a text of n words is a sequence of n + 2 tokens. */
const words = (
  'the a of and to in is was for on that with as it by at from his he an are were which this be has had not but their they or ' +
  'one all two who when there first new time year after people city world school state work house water night day war life ' +
  'family music book game team river road church station company market children young small large great old high long early ' +
  'local public national best next last under between during against through before where while because about into over such ' +
  'other many most some more only then them these would could made found used known called built written read moved won lost ' +
  'opened closed began returned became remained left right north south east west blue green red white black light dark'
).split(' ')

/** Deterministic pseudo-random numbers in [0, 1), so that every run measures the same texts. Source: mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** `count` different texts whose lengths are spread evenly over the class. */
export function textsOf(lengthClass: LengthClass, count: number, seed = 1): string[] {
  const next = randomNumbers(seed)
  const span = lengthClass.tokensMax - lengthClass.tokensMin + 1
  return Array.from({ length: count }, () => {
    const tokens = lengthClass.tokensMin + Math.floor(next() * span)
    return Array.from({ length: tokens - 2 }, () => words[Math.floor(next() * words.length)]).join(' ')
  })
}
