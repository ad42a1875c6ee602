/** Why the database could not be opened. `main` prints the message as it stands and ends with exit code 3. */
export type StorageErrorCode = 'folder_in_use' | 'folder_unusable' | 'database_unreachable' | 'database_newer'

/** A database that cannot be opened. The message is a plain sentence for the operator and never holds the address or its password. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode

  constructor(code: StorageErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}
