import { type Environment, wholeNumber } from './environment.ts'

/** Limits of files, batches and requests that are answered later. Part of `Config`. */
export interface JobSettings {
  readonly files: {
    /** Of one file. */
    readonly bytesMax: number
    /** Of all files of an account together, those of its batches included. */
    readonly accountBytesMax: number
    readonly accountFilesMax: number
    /** How long an uploaded file is kept where nobody says. */
    readonly keepMs: number
    /** Bytes of one row. */
    readonly pieceBytes: number
  }
  readonly batches: {
    /** From its making to its end; what is not done by then stays undone. */
    readonly windowMs: number
    readonly inputBytesMax: number
    /** Of a call that makes a batch of requests in its own body. */
    readonly inlineBytesMax: number
    /** Requests in such a call: their answers go into one body, too. */
    readonly inlineLinesMax: number
    readonly lineBytesMax: number
    readonly linesMax: number
    /** Texts of all lines together. */
    readonly inputsMax: number
    /** Invalid lines that are told of. */
    readonly problemsMax: number
    /** Batches of one account that are not finished. */
    readonly unfinishedMax: number
    /** Batches that one server runs at once. */
    readonly atOnceMax: number
    /** How long one batch is run before others get their turn. */
    readonly sliceMs: number
    /** Texts, characters and numbers of one chunk: it is embedded as one request and written down at once. */
    readonly chunkInputsMax: number
    readonly chunkCharactersMax: number
    readonly chunkNumbersMax: number
    /** Chunks of one batch under way. */
    readonly chunksAheadMax: number
    readonly chunkDeadlineMs: number
    /** Tries of a chunk within a slice while the server is at its limit or a part of it is down. */
    readonly attemptsMax: number
    readonly retryPauseMs: number
    readonly retryPauseMsMax: number
    /** How long its files are kept where nobody says. */
    readonly outputKeepMs: number
    /** How long a finished batch can be looked at. */
    readonly keepMs: number
  }
  readonly requests: {
    /** How long a request and its answer are kept. */
    readonly keepMs: number
    /** Requests of one account that are not answered. */
    readonly waitingMax: number
    /** Requests that one server answers at once. */
    readonly atOnceMax: number
    /** Times one is begun before it has failed. */
    readonly attemptsMax: number
    readonly deadlineMs: number
  }
  readonly queue: {
    /** How often a queue is looked at for what other servers sent or what was put off. */
    readonly pollMs: number
    /** Of timers of pg-boss that nothing here waits for: workers are woken, and no job depends on another. */
    readonly unusedTimersMs: number
    /** A worker silent for so long is taken for dead. */
    readonly heartbeatMs: number
    /** How often dead workers are looked for. */
    readonly superviseMs: number
    /** Times a job is given to a worker before it is given up. */
    readonly attemptsMax: number
    readonly retryDelayMs: number
    readonly retryDelayMsMax: number
    /** Longest that one worker may have a job. */
    readonly expireMs: number
    /** The queue is opened so long after the server began to serve, or when it is needed. */
    readonly openAfterMs: number
    /** Pause between two tries to open it. */
    readonly openPauseMs: number
    /** How long a request waits for the queue to be open. */
    readonly openWaitMs: number
    /** How long a finished job is kept. */
    readonly keepMs: number
    /** How long a stopping server waits for its workers. */
    readonly stopTimeoutMs: number
  }
  readonly events: {
    /** How long an event can be looked at. */
    readonly keepMs: number
  }
  readonly sweep: {
    /** An unfinished batch whose time was up for so long has lost its job. */
    readonly overdueMs: number
    /** How often what has expired is deleted, and how many rows with one statement and in one go. */
    readonly everyMs: number
    readonly rowsMax: number
    readonly statementsMax: number
  }
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const megabyte = 1024 * 1024

/** @throws ConfigError */
export function readJobSettings(environment: Environment): JobSettings {
  const whole = (name: string, fallback: number, least: number, most: number) => wholeNumber(environment, name, fallback, least, most)
  return {
    files: {
      bytesMax: whole('NEARFIELD_FILE_BYTES_MAX', 512 * megabyte, 1_024, 4_096 * megabyte),
      accountBytesMax: whole('NEARFIELD_ACCOUNT_FILE_BYTES_MAX', 20_480 * megabyte, 1_024, Number.MAX_SAFE_INTEGER),
      accountFilesMax: 10_000,
      keepMs: whole('NEARFIELD_FILE_DAYS', 30, 1, 365) * dayMs,
      pieceBytes: 256 * 1024,
    },
    batches: {
      windowMs: dayMs,
      inputBytesMax: whole('NEARFIELD_BATCH_INPUT_BYTES_MAX', 200 * megabyte, 1_024, 4_096 * megabyte),
      inlineLinesMax: whole('NEARFIELD_BATCH_INLINE_LINES_MAX', 2_000, 1, 20_000),
      inlineBytesMax: whole('NEARFIELD_BATCH_INLINE_BYTES_MAX', 20 * megabyte, 1_024, 64 * megabyte),
      lineBytesMax: 4 * megabyte,
      linesMax: whole('NEARFIELD_BATCH_LINES_MAX', 50_000, 1, 1_000_000),
      inputsMax: whole('NEARFIELD_BATCH_INPUTS_MAX', 50_000, 1, 1_000_000),
      problemsMax: 100,
      unfinishedMax: whole('NEARFIELD_BATCHES_UNFINISHED_MAX', 100, 1, 10_000),
      atOnceMax: 2,
      sliceMs: whole('NEARFIELD_BATCH_SLICE_MS', 30_000, 100, 600_000),
      chunkInputsMax: 64,
      chunkCharactersMax: 131_072,
      chunkNumbersMax: 196_608,
      chunksAheadMax: 3,
      chunkDeadlineMs: 120_000,
      attemptsMax: 5,
      retryPauseMs: 500,
      retryPauseMsMax: 15_000,
      outputKeepMs: whole('NEARFIELD_BATCH_OUTPUT_DAYS', 30, 1, 365) * dayMs,
      keepMs: 30 * dayMs,
    },
    requests: {
      keepMs: whole('NEARFIELD_ASYNC_KEEP_MS', hourMs, 1_000, dayMs),
      waitingMax: whole('NEARFIELD_ASYNC_WAITING_MAX', 1_000, 1, 100_000),
      atOnceMax: whole('NEARFIELD_ASYNC_AT_ONCE_MAX', 8, 1, 64),
      attemptsMax: 5,
      deadlineMs: 60_000,
    },
    queue: {
      pollMs: 2_000,
      unusedTimersMs: hourMs,
      heartbeatMs: 10_000,
      superviseMs: 5_000,
      attemptsMax: 50,
      retryDelayMs: 1_000,
      retryDelayMsMax: 60_000,
      expireMs: hourMs,
      openAfterMs: whole('NEARFIELD_QUEUE_OPEN_AFTER_MS', 1_000, 0, hourMs),
      openPauseMs: 1_000,
      openWaitMs: 10_000,
      keepMs: hourMs,
      stopTimeoutMs: 15_000,
    },
    events: { keepMs: 7 * dayMs },
    sweep: { overdueMs: 300_000, everyMs: whole('NEARFIELD_JOB_SWEEP_MS', 60_000, 100, hourMs), rowsMax: 500, statementsMax: 50 },
  }
}
