/**
 * A program that stands in for a replica: it speaks the frames of one, makes a vector of 384 numbers from the token ids alone,
 * and does to itself what a poisonous text would.
 *
 * What a sequence does is said by its second id, the first of its content: see `deeds`.
 */
import { readSync, writeSync } from 'node:fs'
import { type ReplyHeader, replyHeaderBytes, replyKind, requestHeaderBytes, writeReplyHeader } from '../src/inference/frames.ts'

/** By ids of words in the vocabulary of all-MiniLM-L6-v2: what a text that begins with the word does. */
const deeds: Readonly<Record<number, () => void>> = {
  // red
  2417: () => {},
  // green
  2665: () => process.kill(process.pid, 'SIGKILL'),
  // blue
  2630: () => process.abort(),
  // white
  2317: () => process.kill(process.pid, 'SIGSTOP'),
  // black
  2304: () => exhaustMemory(),
  // wait
  3524: () => sleepMs(600),
}
const red = 2417
const dimensions = 384
const pipe = 3

function exhaustMemory(): void {
  const hoard: unknown[] = []
  for (;;) hoard.push(new Array(10_000).fill(hoard.length + 0.5))
}

function sleepMs(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

function readFully(target: Uint8Array): boolean {
  let filled = 0
  while (filled < target.length) {
    const count = readSync(pipe, target, filled, target.length - filled, null)
    if (count === 0) return false
    filled += count
  }
  return true
}

function write(header: ReplyHeader, vectors: Float32Array): void {
  const frame = new Uint8Array(replyHeaderBytes + vectors.byteLength)
  writeReplyHeader(frame.buffer, header)
  frame.set(new Uint8Array(vectors.buffer), replyHeaderBytes)
  let written = 0
  while (written < frame.length) written += writeSync(pipe, frame, written)
}

/** A unit vector that depends on all ids, or one without a number where the text begins with red. */
function writeVector(target: Float32Array, ids: Int32Array): void {
  let state = ids.reduce((sum, id) => Math.imul(sum ^ id, 0x01000193), 0x811c9dc5)
  for (let index = 0; index < target.length; index++) {
    state = Math.imul(state, 1_103_515_245) + 12_345
    target[index] = (state >> 16) / 32_768
  }
  const length = Math.hypot(...target)
  for (let index = 0; index < target.length; index++) target[index] = (target[index] ?? 0) / length
  if (ids[1] === red) target[7] = Number.NaN
}

function serve(): void {
  write({ batchId: 0, kind: replyKind.ready, vectors: 0, dimensions, inferMs: 0 }, new Float32Array(0))
  const header = new Int32Array(requestHeaderBytes / 4)
  while (readFully(new Uint8Array(header.buffer))) {
    const [batchId = 0, sequences = 0, tokens = 0] = header
    const payload = new Int32Array(sequences + tokens)
    if (!readFully(new Uint8Array(payload.buffer))) return
    const vectors = new Float32Array(sequences * dimensions)
    let from = sequences
    for (let index = 0; index < sequences; index++) {
      const ids = payload.subarray(from, from + (payload[index] ?? 0))
      from += ids.length
      deeds[ids[1] ?? 0]?.()
      writeVector(vectors.subarray(index * dimensions, (index + 1) * dimensions), ids)
    }
    write({ batchId, kind: replyKind.vectors, vectors: sequences, dimensions, inferMs: 1 }, vectors)
  }
}

serve()
process.exit(0)
