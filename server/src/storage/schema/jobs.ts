import { sql } from 'drizzle-orm'
import { bigint, boolean, customType, index, integer, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { accounts } from './access.ts'

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
const nanoDollars = (name: string) => bigint(name, { mode: 'bigint' })
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('account_id')
    .notNull()
    .references(() => accounts.id)

/** Files of callers and of their batches. What is in them is in `file_pieces`. */
export const files = pgTable(
  'files',
  {
    id: text('id').primaryKey(),
    accountId: owner(),
    filename: text('filename').notNull(),
    displayName: text('display_name'),
    mimeType: text('mime_type').notNull(),
    purpose: text('purpose').notNull(),
    /** `uploaded` by a caller, or `generated` by a batch. */
    source: text('source', { enum: ['uploaded', 'generated'] }).notNull(),
    /** What its uploader said it would have; `null` where nobody did. */
    bytesExpected: bigint('bytes_expected', { mode: 'number' }),
    bytes: bigint('bytes', { mode: 'number' }).notNull().default(0),
    sha256: bytes('sha256'),
    /** Null while it is still being written; until then nobody can read it. */
    completedAt: instant('completed_at'),
    /** A part of a batch, and not for its owner to see. */
    hidden: boolean('hidden').notNull().default(false),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('files_account').on(table.accountId, table.id), index('files_expiry').on(table.expiresAt)],
)

/** The bytes of files, in order of `start`. Texts are only here and in `async_requests`, and only until their file expires. */
export const filePieces = pgTable(
  'file_pieces',
  {
    fileId: text('file_id')
      .notNull()
      .references(() => files.id, { onDelete: 'cascade' }),
    /** Position of its first byte in the file. */
    start: bigint('start', { mode: 'number' }).notNull(),
    content: bytes('content').notNull(),
  },
  (table) => [primaryKey({ columns: [table.fileId, table.start] })],
)

/** Many requests in a file, answered in a file. Its states are drawn in jobs/batches.ts. */
export const batches = pgTable(
  'batches',
  {
    id: text('id').primaryKey(),
    accountId: owner(),
    keyId: text('key_id').notNull(),
    /** Whose lines the file has: `openai` or `gemini`. */
    wire: text('wire', { enum: ['openai', 'gemini'] }).notNull(),
    /** The model asked for; null until the first line was read where it is named there. */
    deployment: text('deployment'),
    displayName: text('display_name'),
    /** The caller's own words as JSON, never read by the server. */
    metadata: text('metadata'),
    inputFileId: text('input_file_id').notNull(),
    /** True when the requests came in the call that made the batch, and so its answers go there too. */
    inline: boolean('inline').notNull().default(false),
    outputFileId: text('output_file_id'),
    errorFileId: text('error_file_id'),
    state: text('state', {
      enum: ['validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'],
    }).notNull(),
    linesTotal: integer('lines_total').notNull().default(0),
    linesCompleted: integer('lines_completed').notNull().default(0),
    linesFailed: integer('lines_failed').notNull().default(0),
    tokens: bigint('tokens', { mode: 'number' }).notNull().default(0),
    cost: nanoDollars('cost').notNull().default(sql`0`),
    /** What was wrong with the file, as JSON: it never ran. */
    errors: text('errors'),
    /** Chunks whose charge may have been made, and those whose answers are written: a crash may fall between the two. */
    chunksBegun: integer('chunks_begun').notNull().default(0),
    chunksDone: integer('chunks_done').notNull().default(0),
    /** Chunks that are run line by line, because one of their lines keeps the others from being run together. */
    chunksSplit: integer('chunks_split').array().notNull().default(sql`'{}'`),
    /** Where the next chunk starts in the input file, in bytes and in lines. */
    nextByte: bigint('next_byte', { mode: 'number' }).notNull().default(0),
    nextLine: integer('next_line').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    startedAt: instant('started_at'),
    finalizingAt: instant('finalizing_at'),
    cancellingAt: instant('cancelling_at'),
    finishedAt: instant('finished_at'),
    /** What is not done by then stays undone. */
    expiresAt: instant('expires_at').notNull(),
    /** How long its output files are kept, milliseconds. */
    outputKeepMs: bigint('output_keep_ms', { mode: 'number' }).notNull(),
    /** Set when its owner does not want to see it any more. */
    deletedAt: instant('deleted_at'),
  },
  (table) => [index('batches_account').on(table.accountId, table.id)],
)

/** Requests that were taken now and are answered later, one text or list each. */
export const asyncRequests = pgTable(
  'async_requests',
  {
    /** A random UUID, which is all that a caller needs to know to ask for it beside a key of the same account. */
    id: text('id').primaryKey(),
    accountId: owner(),
    keyId: text('key_id').notNull(),
    deployment: text('deployment').notNull(),
    /** The body as it came. */
    input: bytes('input').notNull(),
    /** Stands for the idempotency key it came with; a failed one gives it up. */
    keyDigest: bytes('key_digest').unique(),
    fingerprint: bytes('fingerprint'),
    state: text('state', { enum: ['QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED'] }).notNull(),
    /** The body of the answer. */
    output: bytes('output'),
    error: text('error'),
    cost: nanoDollars('cost'),
    remaining: nanoDollars('remaining'),
    attempts: integer('attempts').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    startedAt: instant('started_at'),
    finishedAt: instant('finished_at'),
    /** Milliseconds the model took. */
    inferMs: integer('infer_ms'),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    index('async_requests_expiry').on(table.expiresAt),
    index('async_requests_account').on(table.accountId),
    // Few of all that are kept are still to be answered.
    index('async_requests_open').on(table.state).where(sql`state in ('QUEUED', 'PROCESSING')`),
  ],
)

/** What happened to jobs, written together with it, for whoever wants to be told. */
export const jobEvents = pgTable(
  'job_events',
  {
    id: text('id').primaryKey(),
    accountId: owner(),
    type: text('type', {
      enum: ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled', 'request.completed', 'request.failed'],
    }).notNull(),
    /** The batch, or the request. */
    subjectId: text('subject_id').notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('job_events_account').on(table.accountId, table.id), index('job_events_expiry').on(table.expiresAt)],
)
