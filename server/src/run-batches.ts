import type { Principal } from './access/principal.ts'
import { type AnsweredChunk, answerChunk, type ChunkSurroundings } from './answer-chunk.ts'
import { type Chunk, chunksOf, type ReadLine, readLine } from './batch-chunks.ts'
import { BatchOutput, type OutputLine } from './batch-output.ts'
import { reportOn } from './batch-validation.ts'
import type { BatchWire } from './dialects/batch-wire.ts'
import { toNearfieldError } from './errors.ts'
import { newId } from './ids.ts'
import type { JobSettings } from './job-settings.ts'
import type { BatchEnd, BatchRow } from './jobs/batch-store.ts'
import { type BatchProblem, type BatchWireName, isFinished } from './jobs/batches.ts'
import { type LineStart, linesOf } from './jobs/lines.ts'
import type { JobRooms } from './jobs/open-jobs.ts'
import type { Services } from './serve.ts'
import type { Telemetry } from './telemetry.ts'

export interface BatchSurroundings {
  readonly jobs: JobRooms
  readonly services: Services
  readonly wires: Readonly<Record<BatchWireName, BatchWire>>
  readonly limits: JobSettings
  readonly telemetry: Pick<Telemetry, 'log'>
}

/** Lets this server run batches. Each is run for a while and then queued again behind the others, from where it is. */
export function runBatches(surroundings: BatchSurroundings): void {
  const { jobs, limits } = surroundings
  jobs.queue.work('batch', limits.batches.atOnceMax, async ({ batchId = '' }, signal) => {
    const row = await jobs.batchStore.find(batchId)
    if (row === undefined) return
    try {
      await new BatchSlice(row, surroundings, signal).run()
    } catch (thrown) {
      if (!(thrown instanceof RunElsewhere)) throw thrown
    }
  })
}

/** Somebody else has written down the next chunk, so the batch is theirs. */
class RunElsewhere extends Error {
  override readonly name = 'RunElsewhere'
}

/** Lines that were never run and are written down as such, with one statement. */
const undoneAtOnce = 1_000

/**
 * A while of one batch, from wherever it stands. What it has done it finds in the database, so it may be killed anywhere: charges are
 * made under keys that are the same the next time, and the answers of a chunk are written together with the place to go on from.
 */
class BatchSlice {
  readonly #surroundings: BatchSurroundings
  readonly #wire: BatchWire
  readonly #stopping: AbortSignal
  readonly #overAtMs: number
  #row: BatchRow

  constructor(row: BatchRow, surroundings: BatchSurroundings, stopping: AbortSignal) {
    const { services, wires, limits } = surroundings
    this.#row = row
    this.#surroundings = surroundings
    this.#wire = wires[row.wire]
    this.#stopping = stopping
    this.#overAtMs = services.clock.monotonicMs() + limits.batches.sliceMs
  }

  async run(): Promise<void> {
    if (this.#row.state === 'validating') await this.#validate()
    if (this.#isOver()) return
    // It was cancelled before it began.
    if (this.#row.outputFileId === null) return this.#end('cancelled')
    const postponed = this.#row.state !== 'finalizing' && (await this.#runChunks())
    await this.#lookAgain()
    if (this.#isOver()) return
    const end = this.#endReached()
    if (end === undefined) return this.#again(postponed ? this.#surroundings.limits.batches.retryPauseMsMax : 0)
    if (end !== 'completed') await this.#writeUndone(end)
    await this.#surroundings.jobs.batchStore.finalizing(this.#row.id, this.#surroundings.services.clock.now())
    await this.#end(end)
  }

  /** How it ends, if it does now: what was begun is waited for, because its charge may have been made. */
  #endReached(): 'completed' | 'cancelled' | 'expired' | undefined {
    const { linesCompleted, linesFailed, linesTotal, chunksBegun, chunksDone, state, expiresAt } = this.#row
    if (linesCompleted + linesFailed >= linesTotal) return 'completed'
    if (chunksBegun > chunksDone) return undefined
    if (state === 'cancelling') return 'cancelled'
    return expiresAt.getTime() <= this.#surroundings.services.clock.now() ? 'expired' : undefined
  }

  async #validate(): Promise<void> {
    const { jobs, services, limits, telemetry } = this.#surroundings
    const { id, accountId, inputFileId, deployment } = this.#row
    const content = jobs.files.read(await jobs.files.find(accountId, inputFileId))
    const report = await reportOn(content, this.#wire, deployment ?? undefined, limits.batches)
    const problems = [...report.problems, ...(await this.#problemsOfModel(report.deployment))]
    telemetry.log.info({ batch: id, lines: report.lines, problems: problems.length }, 'batch validated')
    if (problems.length > 0) return this.#end('failed', problems)
    // How long they are kept is counted from the end.
    const keepMs = limits.batches.windowMs + this.#row.outputKeepMs
    const own = { mimeType: 'application/jsonl', purpose: 'batch_output', keepMs, hidden: this.#row.inline }
    const started = await jobs.batchStore.start(id, {
      atMs: services.clock.now(),
      linesTotal: report.lines,
      deployment: report.deployment ?? null,
      output: jobs.files.newRow(accountId, { ...own, filename: `${id}_output.jsonl` }, 'generated'),
      errors: this.#wire.failuresApart ? jobs.files.newRow(accountId, { ...own, filename: `${id}_error.jsonl` }, 'generated') : undefined,
    })
    if (started === undefined) await this.#lookAgain()
    else this.#row = started
  }

  async #problemsOfModel(deployment: string | undefined): Promise<BatchProblem[]> {
    if (deployment === undefined) return []
    try {
      await this.#surroundings.services.models.find(deployment)
      return []
    } catch (thrown) {
      const { code, message } = toNearfieldError(thrown)
      if (code !== 'model_not_found') throw thrown
      return [{ code, message, line: null, param: 'body.model' }]
    }
  }

  /** @returns whether it stopped because something that may pass kept a chunk from being answered */
  async #runChunks(): Promise<boolean> {
    const { limits } = this.#surroundings
    const output = await this.#openOutput()
    const underWay: Promise<AnsweredChunk>[] = []
    const writeFirst = async () => {
      const answered = await underWay.shift()
      if (answered !== undefined) await this.#write(answered, output)
    }
    try {
      for await (const chunk of this.#chunks()) {
        if (!(await this.#mayBegin(chunk))) break
        const answering = answerChunk(chunk, this.#chunkSurroundings())
        // Its failure is heard when it is its turn to be written.
        answering.catch(() => undefined)
        underWay.push(answering)
        if (underWay.length >= limits.batches.chunksAheadMax) await writeFirst()
      }
      while (underWay.length > 0) await writeFirst()
      return false
    } catch (thrown) {
      await Promise.allSettled(underWay)
      if (thrown instanceof RunElsewhere) throw thrown
      const error = toNearfieldError(thrown)
      if (!error.retryable) throw thrown
      this.#surroundings.telemetry.log.warn({ batch: this.#row.id, code: error.code }, 'batch put off')
      return true
    }
  }

  #chunks(): AsyncIterable<Chunk> {
    const { services, limits } = this.#surroundings
    const start = { chunk: this.#row.chunksDone, numbersDefault: numbersDefault(services, this.#row.deployment) }
    return chunksOf(this.#lines({ byte: this.#row.nextByte, line: this.#row.nextLine }), start, limits.batches)
  }

  async *#lines(start: LineStart): AsyncGenerator<ReadLine> {
    const { jobs, limits } = this.#surroundings
    const { accountId, inputFileId, deployment } = this.#row
    const { lineBytesMax } = limits.batches
    const content = jobs.files.read(await jobs.files.find(accountId, inputFileId), start.byte)
    for await (const line of linesOf(content, start, lineBytesMax)) yield readLine(line, this.#wire, deployment ?? undefined, lineBytesMax)
  }

  /** A chunk that was begun is done whatever happens meanwhile: its charge may have been made. */
  async #mayBegin({ number }: Chunk): Promise<boolean> {
    if (number < this.#row.chunksBegun) return true
    const { services, jobs } = this.#surroundings
    if (this.#stopping.aborted || services.clock.monotonicMs() >= this.#overAtMs) return false
    return jobs.batchStore.begin(this.#row.id, number)
  }

  #chunkSurroundings(): ChunkSurroundings {
    const { services, limits, jobs } = this.#surroundings
    const { id, chunksSplit } = this.#row
    return {
      ...{ batchId: id, principal: this.#principal(), services, limits: limits.batches, failuresApart: this.#wire.failuresApart },
      isSplit: (chunk) => chunksSplit.includes(chunk),
      split: (chunk) => jobs.batchStore.split(id, chunk),
    }
  }

  /** Whoever made the batch was allowed to, and it has no limits but its own. */
  #principal(): Principal {
    const { accountId, keyId } = this.#row
    return { accountId, keyId, scopes: ['embed'], plan: 'batch', limits: { requestsPerMinute: null, tokensPerMinute: null } }
  }

  async #write({ chunk, lines, completed, failed, tokens, cost }: AnsweredChunk, output: BatchOutput): Promise<void> {
    const last = chunk.lines.at(-1)
    if (last === undefined) throw new RangeError('a chunk has no lines')
    const pieces = output.pieces(lines)
    const next = { nextByte: last.end, nextLine: last.number }
    const counts = { completed, failed, tokens, cost }
    const written = await this.#surroundings.jobs.batchStore.checkpoint(this.#row.id, { chunk: chunk.number, ...next, ...counts, pieces })
    if (!written) throw new RunElsewhere()
    output.wrote(pieces)
  }

  /** Every line that was not run gets one of its own, too. */
  async #writeUndone(reason: 'expired' | 'cancelled'): Promise<void> {
    const output = await this.#openOutput()
    const to: OutputLine['to'] = this.#wire.failuresApart ? 'errors' : 'output'
    let number = this.#row.chunksDone
    let lines: ReadLine[] = []
    const write = async () => {
      const undone = lines.map((line) => ({ text: line.undone(reason), to }))
      await this.#write({ chunk: { number: number++, lines }, lines: undone, completed: 0, failed: 0, tokens: 0, cost: 0n }, output)
      lines = []
    }
    for await (const line of this.#lines({ byte: this.#row.nextByte, line: this.#row.nextLine })) {
      lines.push(line)
      if (lines.length === undoneAtOnce) await write()
    }
    if (lines.length > 0) await write()
  }

  async #end(state: BatchEnd['state'], problems: readonly BatchProblem[] = []): Promise<void> {
    const { jobs, services, limits, telemetry } = this.#surroundings
    const ends = await this.#fileEnds()
    const files = []
    for (const [id, bytes] of ends) if (bytes > 0) files.push({ id, sha256: await jobs.files.sha256(id) })
    const nowMs = services.clock.now()
    const eventId = newId('evt', nowMs)
    const end = { state, files, eventId, eventKeepMs: limits.events.keepMs, ...(problems.length > 0 && { problems }) }
    const ended = await jobs.batchStore.end(this.#row, end, nowMs, (tables) =>
      jobs.queue.send('job-event', { eventId }, { within: tables }),
    )
    this.#row = { ...this.#row, state }
    if (!ended) return
    jobs.queue.wake('job-event')
    const { id, accountId, linesTotal, linesCompleted, linesFailed, tokens } = this.#row
    telemetry.log.info({ batch: id, account: accountId, state, lines: linesTotal, linesCompleted, linesFailed, tokens }, 'batch ended')
  }

  async #again(delayMs: number): Promise<void> {
    await this.#surroundings.jobs.queue.send('batch', { batchId: this.#row.id }, { delayMs })
  }

  async #openOutput(): Promise<BatchOutput> {
    return new BatchOutput(this.#row, await this.#fileEnds(), this.#surroundings.limits.files.pieceBytes)
  }

  async #fileEnds(): Promise<Map<string, number>> {
    const { accountId, outputFileId, errorFileId } = this.#row
    const ends = new Map<string, number>()
    for (const id of [outputFileId, errorFileId]) {
      const file = id === null ? undefined : await this.#surroundings.jobs.fileStore.find(accountId, id)
      if (file !== undefined) ends.set(file.id, file.bytes)
    }
    return ends
  }

  async #lookAgain(): Promise<void> {
    const row = await this.#surroundings.jobs.batchStore.find(this.#row.id)
    if (row !== undefined) this.#row = row
  }

  #isOver(): boolean {
    return isFinished(this.#row)
  }
}

function numbersDefault({ models }: Services, deployment: string | null): number {
  return models.list().find((listing) => listing.deployment.name === deployment)?.deployment.dimensionsDefault ?? 0
}
