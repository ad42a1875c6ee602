const sslRequest = 80_877_103
const cancelRequest = 80_877_102
const queryMessage = 0x51
const syncMessage = 0x53
const terminateMessage = 0x58
const headerBytes = 5

/** What the bytes received so far ask for. */
export type WireRequest =
  /** The client asks for encryption; a unix socket has none to offer. */
  | { readonly kind: 'encryption' }
  | { readonly kind: 'startup'; readonly bytes: Uint8Array }
  /** Whole messages up to one that makes the server answer and say whether it is in a transaction. */
  | { readonly kind: 'messages'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }

/**
 * Cuts a client's byte stream into units the embedded database runs in one go. Parse, Bind, Execute and Sync of a
 * statement travel together: one call instead of five, and nothing can come between them.
 * Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", message formats.
 */
export class WireSession {
  #received: Buffer<ArrayBufferLike> = Buffer.alloc(0)
  #started = false

  /** Takes bytes as they arrive and returns every request they complete. */
  receive(chunk: Buffer): WireRequest[] {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const requests: WireRequest[] = []
    for (;;) {
      const request = this.#started ? this.#nextMessages() : this.#nextStartup()
      if (request === undefined) return requests
      requests.push(request)
    }
  }

  #nextStartup(): WireRequest | undefined {
    if (this.#received.length < 8) return undefined
    const length = this.#received.readInt32BE(0)
    if (this.#received.length < length) return undefined
    const code = this.#received.readInt32BE(4)
    const bytes = this.#take(length)
    if (code === sslRequest) return { kind: 'encryption' }
    if (code === cancelRequest) return { kind: 'end' }
    this.#started = true
    return { kind: 'startup', bytes }
  }

  #nextMessages(): WireRequest | undefined {
    let offset = 0
    while (this.#received.length - offset >= headerBytes) {
      const type = this.#received[offset]
      const length = 1 + this.#received.readInt32BE(offset + 1)
      if (this.#received.length - offset < length) return undefined
      if (type === terminateMessage) return this.#end(offset + length)
      offset += length
      if (type === syncMessage || type === queryMessage) return { kind: 'messages', bytes: this.#take(offset) }
    }
    return undefined
  }

  #end(length: number): WireRequest {
    this.#take(length)
    return { kind: 'end' }
  }

  /** A copy, because the database reads it after the socket's buffer has been used again. */
  #take(length: number): Uint8Array {
    const taken = new Uint8Array(this.#received.subarray(0, length))
    this.#received = this.#received.subarray(length)
    return taken
  }
}
