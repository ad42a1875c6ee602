import { randomUUID } from 'node:crypto'
import { NearfieldError } from '../src/errors.ts'
import type { AsyncRequest, AsyncRequests, NewAsyncRequest } from '../src/jobs/async-requests.ts'

/** Requests that are answered when a test says so, and never by themselves. */
export interface StandInRequests extends AsyncRequests {
  /** What was handed in, in order. */
  readonly taken: readonly (NewAsyncRequest & { readonly id: string })[]
  /** Makes a request be as it would be later. */
  become(id: string, changes: Partial<AsyncRequest>): void
}

export function standInRequests(): StandInRequests {
  const byId = new Map<string, AsyncRequest>()
  const taken: (NewAsyncRequest & { readonly id: string })[] = []
  const untouched = { output: undefined, error: undefined, cost: undefined, remaining: undefined, attempts: 0 }
  const find = async (accountId: string, id: string) => {
    const found = byId.get(id)
    if (found?.accountId !== accountId) throw new NearfieldError('not_found', `Request ${id} not found`)
    return found
  }
  return {
    taken,
    find,
    look: async (accountId, id) => ({ ...(await find(accountId, id)), output: undefined }),
    async submit({ accountId }, request) {
      const id = randomUUID()
      const times = { createdAtMs: 1_000, startedAtMs: undefined, finishedAtMs: undefined, inferMs: undefined, expiresAtMs: 2_000 }
      const entry: AsyncRequest = { id, accountId, state: 'QUEUED', ...untouched, ...times }
      byId.set(id, entry)
      taken.push({ ...request, id })
      return entry
    },
    become(id, changes) {
      const known = byId.get(id)
      if (known === undefined) throw new Error('a test named a request that there is not')
      byId.set(id, { ...known, ...changes })
    },
  }
}
