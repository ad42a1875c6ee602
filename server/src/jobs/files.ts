import type { Page, PageWish } from '../page.ts'

/**
 * A file of an account.
 *
 *     started --append--> started --complete--> complete --expires, delete--> gone
 *        |                                                                     ^
 *        +---- expires, delete ------------------------------------------------+
 *
 * Only a complete one can be read, listed or used.
 */
export interface StoredFile {
  /** `file-…`, lower-case letters, digits and a dash. */
  readonly id: string
  readonly accountId: string
  readonly filename: string
  readonly displayName: string | undefined
  /** As its uploader called it; never interpreted. */
  readonly mimeType: string
  /** Such as `batch` or `batch_output`. */
  readonly purpose: string
  readonly source: 'uploaded' | 'generated'
  readonly bytes: number
  /** What its uploader said it would have. */
  readonly bytesExpected: number | undefined
  /** Of its bytes; `undefined` until it is complete. */
  readonly sha256: Buffer | undefined
  readonly createdAtMs: number
  readonly completedAtMs: number | undefined
  readonly expiresAtMs: number
}

/** A file that is not there yet. */
export interface NewFile {
  /** As long as it is complete, no other has it; left out, a new one is made. */
  readonly id?: string | undefined
  readonly filename: string
  readonly displayName?: string | undefined
  readonly mimeType: string
  readonly purpose: string
  readonly bytesExpected?: number | undefined
  /** How long it is kept, milliseconds; left out, as long as the settings say. */
  readonly keepMs?: number | undefined
  /** Part of a batch, and shown to nobody. */
  readonly hidden?: boolean | undefined
}

/** What may be known only when all bytes of a file are there. */
export type LateFacts = Pick<NewFile, 'purpose' | 'keepMs'>

/** Files by account: that of another is as little there as one that never was. */
export interface Files {
  /**
   * Stores all of `content`. What failed half-way leaves nothing. `late` is asked once that is done, and what it says counts.
   * @throws NearfieldError `payload_too_large`, `unavailable`, and what `content` and `late` throw
   */
  store(accountId: string, file: NewFile, content: AsyncIterable<Uint8Array>, late?: () => Promise<LateFacts>): Promise<StoredFile>
  /** Starts a file whose bytes come in several calls. @throws NearfieldError `payload_too_large`, `state_conflict` when its id is taken, `unavailable` */
  start(accountId: string, file: NewFile): Promise<StoredFile>
  /**
   * Adds bytes at position `start`. Bytes that are there already are skipped, so that the same call may be sent again.
   * @returns how many bytes the file has now
   * @throws NearfieldError `not_found`, `state_conflict` with `details.bytes` when bytes would be missing before `start` or the file is complete, `payload_too_large`, `unavailable`
   */
  append(accountId: string, fileId: string, start: number, content: AsyncIterable<Uint8Array>): Promise<number>
  /**
   * Makes a started file readable. Complete already, it is given as it is.
   * @throws NearfieldError `not_found`, `state_conflict` when it has fewer bytes than was said, `unavailable`
   */
  complete(accountId: string, fileId: string): Promise<StoredFile>
  /** A complete file. @throws NearfieldError `not_found`, `unavailable` */
  find(accountId: string, fileId: string): Promise<StoredFile>
  /** Complete files that are not hidden. */
  list(accountId: string, wish: PageWish & { readonly purpose?: string | undefined }): Promise<Page<StoredFile>>
  /**
   * The bytes of a file that was found, from position `from` on, piece by piece. Once deleted it can be read until the sweeper comes.
   * @throws NearfieldError `not_found` when that came before the end, `unavailable`
   */
  read(file: StoredFile, from?: number): AsyncIterable<Buffer>
  /** Also one that is not complete. @throws NearfieldError `not_found`, `state_conflict` while a batch reads it */
  delete(accountId: string, fileId: string): Promise<void>
}
