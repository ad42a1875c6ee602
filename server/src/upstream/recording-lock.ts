import { DatabaseSync } from 'node:sqlite'
import { RecordingError } from './recording-line.ts'

/**
 * Takes a recording for the one process that may write to it. The lock belongs to the operating system, so it frees itself
 * even when this process is killed; its empty file, `<recording>.lock`, stays.
 * @throws RecordingError when another process records into it, or the folder cannot be written
 */
export function lockRecording(file: string): Disposable {
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(`${file}.lock`, { timeout: 0 })
  } catch (cause) {
    throw new RecordingError(`The recording ${file} cannot be written. Choose another file with NEARFIELD_UPSTREAM_FILE.`, { cause })
  }
  try {
    lock.exec('PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    throw new RecordingError(`Another process records into ${file}. Stop it, or choose another file with NEARFIELD_UPSTREAM_FILE.`, {
      cause,
    })
  }
  return { [Symbol.dispose]: () => lock.close() }
}
