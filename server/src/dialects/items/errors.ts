import { errorCatalogue, NearfieldError } from '../../errors.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly retryable: boolean
  readonly field?: string
}

/** What went wrong, as a problem. `code` and `retryable` are ours, and `type` stands for the code. Source: RFC 9457, 3. */
export function problemOf({ code, message, retryable, details: { field } }: NearfieldError): Problem {
  const { status, public: title } = errorCatalogue[code]
  const problem = { type: `urn:nearfield:error:${code}`, title, status, detail: message, code, retryable }
  return typeof field === 'string' ? { ...problem, field: fieldNames[field] ?? field } : problem
}

/** What this call names the fields of the one embedding request. */
const fieldNames: Readonly<Record<string, string>> = { input: 'text', inputs: 'text', taskType: 'task_type', deployment: 'model' }

/** An item that could not be embedded, as it stands in the answer. */
export function failedItem(error: NearfieldError, index: number, id: string | undefined) {
  const problem = problemOf(error)
  return { index, id, status: problem.status, error: problem }
}

/** Not one item could be embedded, so there is nothing to bill and nothing to answer but what was wrong with each. */
export class NoItemEmbedded extends NearfieldError {
  readonly items: readonly ReturnType<typeof failedItem>[]

  constructor(errors: readonly NearfieldError[], ids: readonly (string | undefined)[]) {
    super('invalid_request', `None of the ${errors.length} items can be embedded; \`items\` says why. Nothing was billed.`)
    this.items = errors.map((error, index) => failedItem(error, index, ids[index]))
  }
}

/** A problem; `items` is an extension of ours. Source: RFC 9457, 3.2. */
export function refuse(error: NearfieldError): WireReply {
  const problem = problemOf(error)
  const body = error instanceof NoItemEmbedded ? { ...problem, items: error.items } : problem
  return jsonReply(body, { 'content-type': 'application/problem+json; charset=utf-8' }, problem.status)
}
