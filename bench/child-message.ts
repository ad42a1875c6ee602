import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** The next message of a child. @throws Error when the process ends instead of answering */
export async function nextMessage(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${code}`)
  })
  try {
    return (await Promise.race([once(child, 'message', { signal: ended.signal }), exit]))[0]
  } finally {
    exit.catch(() => {})
    ended.abort()
  }
}
