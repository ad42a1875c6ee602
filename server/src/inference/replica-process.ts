/**
 * The program of a replica: one onnxruntime session in a process of its own, because ending a thread while onnxruntime
 * runs in it aborts the whole process.
 *
 *   node replica-process.ts <graph file> <threads>
 *
 * It reads frames from descriptor 3, answers each in order, and ends when the pipe closes: after the batch it runs, with
 * the session released and exit code 0. The server closing the pipe is its only signal to stop, and a server that dies
 * closes it too, so no replica outlives its server. Reads block: there is nothing else to do while no frame is there,
 * and a blocked read wakes sooner than an event loop.
 */
import { readSync, writeSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { systemClock } from '../time.ts'
import { type ReplyHeader, replyHeaderBytes, replyKind, requestHeaderBytes, withinFrame, writeReplyHeader } from './frames.ts'

const pipe = 3

/** Fills `target` from the pipe. False when the pipe closed first. */
function readFully(target: Uint8Array): boolean {
  let filled = 0
  while (filled < target.length) {
    const count = readSync(pipe, target, filled, target.length - filled, null)
    if (count === 0) return false
    filled += count
  }
  return true
}

function writeReply(header: ReplyHeader, vectors: Float32Array): void {
  const frame = new Uint8Array(replyHeaderBytes + vectors.byteLength)
  writeReplyHeader(frame.buffer, header)
  frame.set(new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength), replyHeaderBytes)
  let written = 0
  while (written < frame.length) written += writeSync(pipe, frame, written)
}

/** A tensor of whole numbers of the type the graph asks for. int64 is written through its low halves, so no BigInt is ever made. */
function wholeNumbers(type: string, values: Int32Array, shape: readonly number[]): Tensor {
  if (type === 'int32') return new Tensor('int32', values, shape)
  const words = new Int32Array(values.length * 2)
  for (let position = 0; position < values.length; position++) words[2 * position] = values[position] ?? 0
  return new Tensor('int64', new BigInt64Array(words.buffer), shape)
}

/** What the graph may ask for, by the names of its inputs: a batch is its sequences laid end to end. */
function feeds(session: InferenceSession, lengths: Int32Array, ids: Int32Array): Record<string, Tensor> {
  const result: Record<string, Tensor> = {}
  for (const input of session.inputMetadata) {
    const type = input.isTensor ? input.type : ''
    if (input.name === 'input_ids') result[input.name] = wholeNumbers(type, ids, [ids.length])
    else if (input.name === 'position_ids') result[input.name] = wholeNumbers(type, positions(lengths, ids.length), [ids.length])
    else if (input.name === 'lengths') result[input.name] = wholeNumbers(type, lengths, [lengths.length])
    else if (input.name === 'count') result[input.name] = wholeNumbers(type, Int32Array.of(lengths.length), [])
    else throw new TypeError(`the graph has an unknown input ${input.name}`)
  }
  return result
}

/** 0, 1, 2 … for every sequence, `[tokens]`. */
function positions(lengths: Int32Array, tokens: number): Int32Array {
  const result = new Int32Array(tokens)
  let at = 0
  for (const length of lengths) for (let position = 0; position < length; position++) result[at++] = position
  return result
}

async function runBatch(session: InferenceSession, lengths: Int32Array, ids: Int32Array): Promise<Float32Array> {
  const outputs = await session.run(feeds(session, lengths, ids))
  const data = outputs.sentence_embedding?.data
  if (!(data instanceof Float32Array)) throw new TypeError('the graph has no float32 output named sentence_embedding')
  return data
}

async function answerFrames(session: InferenceSession): Promise<void> {
  const header = new Int32Array(requestHeaderBytes / 4)
  while (readFully(new Uint8Array(header.buffer))) {
    const [batchId = 0, sequences = 0, tokens = 0] = header
    if (!withinFrame(sequences, tokens)) throw new RangeError('a request frame is out of bounds')
    const payload = new Int32Array(sequences + tokens)
    if (!readFully(new Uint8Array(payload.buffer))) return
    const started = systemClock.monotonicMs()
    try {
      const vectors = await runBatch(session, payload.subarray(0, sequences), payload.subarray(sequences))
      const inferMs = systemClock.monotonicMs() - started
      writeReply({ batchId, kind: replyKind.vectors, vectors: sequences, dimensions: vectors.length / sequences, inferMs }, vectors)
    } catch {
      // The message of onnxruntime may hold token ids, so it goes nowhere.
      writeReply(
        { batchId, kind: replyKind.failed, vectors: 0, dimensions: 0, inferMs: systemClock.monotonicMs() - started },
        new Float32Array(0),
      )
    }
  }
}

async function main(graphFile: string, threads: number): Promise<void> {
  const session = await InferenceSession.create(graphFile, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // Measured together: the fastest and the smallest. A pattern is kept per shape, and here every batch has its own.
    enableCpuMemArena: true,
    enableMemPattern: false,
    logSeverityLevel: 4,
  })
  const probe = await runBatch(session, Int32Array.of(2), Int32Array.of(0, 0))
  writeReply({ batchId: 0, kind: replyKind.ready, vectors: 0, dimensions: probe.length, inferMs: 0 }, new Float32Array(0))
  await answerFrames(session)
  await session.release()
}

// A terminal sends these to every process of its group; the server decides when its replicas stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
try {
  await main(process.argv[2] ?? '', Number(process.argv[3] ?? 1))
} catch (error) {
  writeSync(process.stderr.fd, error instanceof Error ? error.message : String(error))
  process.exit(1)
}
// A handler for signals keeps the event loop alive; the session is released, so leaving is safe here.
process.exit(0)
