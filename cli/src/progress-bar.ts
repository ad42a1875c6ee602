const width = 24
const drawEveryMs = 100

/** What is counted, and how many of what `advance` is told make one. */
interface Unit {
  readonly name: string
  readonly size: number
}

const texts: Unit = { name: 'texts', size: 1 }
export const megabytes: Unit = { name: 'MB', size: 1_000_000 }

type Terminal = Pick<NodeJS.WriteStream, 'isTTY' | 'write'>

/** A bar on stderr that stays on one line. Draws nothing when stderr is not a terminal, so logs stay clean. */
export class ProgressBar {
  readonly #stream: Terminal
  readonly #startMs = performance.now()
  readonly #total: number | undefined
  readonly #unit: Unit
  #done = 0
  #drawnMs = Number.NEGATIVE_INFINITY

  constructor(stream: Terminal, total: number | undefined, unit = texts) {
    this.#stream = stream
    this.#total = total
    this.#unit = unit
  }

  advance(count: number): void {
    this.#done += count
    const now = performance.now()
    if (now - this.#drawnMs < drawEveryMs && this.#done !== this.#total) return
    this.#drawnMs = now
    this.#write(this.text(now - this.#startMs))
  }

  /** Removes the bar, so that what follows starts on a clean line. */
  clear(): void {
    this.#write('')
  }

  text(elapsedMs: number): string {
    const { name, size } = this.#unit
    const count = (amount: number) => Math.round(amount / size)
    const rate = `${count(this.#done / Math.max(elapsedMs / 1000, 0.001))} ${name}/s`
    if (this.#total === undefined) return `${count(this.#done)} ${name}, ${rate}`
    const share = this.#total === 0 ? 1 : Math.min(1, this.#done / this.#total)
    const filled = Math.round(share * width)
    return `[${'='.repeat(filled)}${' '.repeat(width - filled)}] ${count(this.#done)}/${count(this.#total)} ${name}, ${rate}`
  }

  #write(text: string): void {
    if (this.#stream.isTTY) this.#stream.write(`\r${text}\x1b[K`)
  }
}
