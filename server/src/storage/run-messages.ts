import type { PGlite } from '@electric-sql/pglite'

/**
 * Runs messages of Postgres' protocol and returns what the database answers, all of it. PGlite has calls that return it in one
 * piece, but they also parse every message, and keep what they parsed for as long as the database is open.
 */
export function runMessages(database: Pick<PGlite, 'execProtocolRawStream'>, messages: Uint8Array): Buffer[] {
  const answer: Buffer[] = []
  // With nothing to be brought to a file system later, the answer is whole when this returns. A piece is valid only in the call.
  void database.execProtocolRawStream(messages, { syncToFs: false, onRawData: (piece) => answer.push(Buffer.from(piece)) })
  return answer
}

/** A message that runs statements without values. */
export function simpleQuery(text: string): Uint8Array {
  const message = Buffer.alloc(text.length + 6)
  message.write('Q')
  message.writeInt32BE(text.length + 5, 1)
  message.write(text, 5)
  return message
}
