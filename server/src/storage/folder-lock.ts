import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StorageError } from './storage-error.ts'

/**
 * Takes the data folder for this process. Two processes on one embedded database lose data without an error, and
 * neither advisory locks (each process has a server of its own) nor process ids (always 1 in a container) help.
 * SQLite's file lock belongs to the operating system, so it frees itself even when this process is killed.
 * @throws StorageError `folder_in_use`, `folder_unusable`
 */
export function lockFolder(folder: string): Disposable {
  let lock: DatabaseSync
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    lock = new DatabaseSync(path.join(folder, 'instance.lock'), { timeout: 0 })
  } catch (cause) {
    throw new StorageError('folder_unusable', `The data folder ${folder} cannot be written. Choose another with NEARFIELD_DATA_DIR.`, {
      cause,
    })
  }
  try {
    lock.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new StorageError(
      'folder_in_use',
      `Another Nearfield process uses the data folder ${folder}. Stop it, or choose another folder with NEARFIELD_DATA_DIR.`,
      { cause },
    )
  }
  return { [Symbol.dispose]: () => lock.close() }
}
