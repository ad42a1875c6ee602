import { statfs } from 'node:fs/promises'
import { NearfieldError } from '../errors.ts'

const checkedEveryMs = 1_000

/**
 * Watches the free space of the disk under the data folder. PGlite spins for ever when its write-ahead log meets a
 * full disk, so work that writes is refused while there is still room.
 */
export class DiskGuard implements Disposable {
  readonly #folder: string
  readonly #freeBytesMin: number
  readonly #timer: NodeJS.Timeout
  #isLow = false

  constructor(folder: string, freeBytesMin: number) {
    this.#folder = folder
    this.#freeBytesMin = freeBytesMin
    this.#timer = setInterval(() => void this.check(), checkedEveryMs)
    this.#timer.unref()
  }

  /** Looks now. A file system that cannot say counts as having room. */
  async check(): Promise<void> {
    const space = await statfs(this.#folder).catch(() => undefined)
    this.#isLow = space !== undefined && space.bavail * space.bsize < this.#freeBytesMin
  }

  /** @throws NearfieldError `unavailable` while the disk is nearly full */
  assertRoom(): void {
    if (this.#isLow)
      throw new NearfieldError('unavailable', 'The server is nearly out of disk space and accepts no billed work until there is room.')
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
