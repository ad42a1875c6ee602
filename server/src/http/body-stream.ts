import { Readable } from 'node:stream'

/** A body written piece by piece while it is sent: other requests have the thread between any two pieces. */
export function bodyStream(pieces: Iterable<Buffer>): Readable {
  const iterator = pieces[Symbol.iterator]()
  return new Readable({
    read() {
      setImmediate(() => {
        if (this.destroyed) return
        try {
          const { value, done } = iterator.next()
          this.push(done ? null : value)
        } catch (thrown) {
          this.destroy(thrown instanceof Error ? thrown : new Error('a piece of a body could not be written'))
        }
      })
    },
  })
}
