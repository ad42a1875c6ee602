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
import { InferenceSession } from 'onnxruntime-node'
import { systemClock } from '../time.ts'
import { type ReplyHeader, replyHeaderBytes, replyKind, requestHeaderBytes, withinFrame, writeReplyHeader } from './frames.ts'
import { type Batch, feedsOf } from './graph-feeds.ts'

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

/** The vectors of a batch, `[sequences, dimensions]`: the graph's last output, for what is put behind a foreign graph stands last. */
async function runBatch(session: InferenceSession, batch: Batch): Promise<Float32Array> {
  const name = session.outputNames.at(-1) ?? ''
  const outputs = await session.run(feedsOf(session, batch), [name])
  const data = outputs[name]?.data
  if (!(data instanceof Float32Array)) throw new TypeError(`the graph's last output ${name} is not float32`)
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
      const vectors = await runBatch(session, { lengths: payload.subarray(0, sequences), ids: payload.subarray(sequences) })
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
  const probe = await runBatch(session, { lengths: Int32Array.of(2), ids: Int32Array.of(0, 0) })
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
