import { type ErrorCode, errorCatalogue, type NearfieldError } from '../../errors.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'

type TeiErrorType = 'Validation' | 'Empty' | 'Overloaded' | 'Backend' | 'Unhealthy'

/** TEI's own statuses where they are not the plain ones. Source: docs/guides/small-dialects.md. */
const kinds: Partial<Record<ErrorCode, { readonly type: TeiErrorType; readonly status?: number }>> = {
  invalid_request: { type: 'Validation', status: 422 },
  input_too_long: { type: 'Validation', status: 422 },
  rate_limited: { type: 'Overloaded' },
  overloaded: { type: 'Overloaded' },
  engine_failed: { type: 'Backend', status: 424 },
  unavailable: { type: 'Unhealthy' },
}

/** `{"error","error_type"}`. Where TEI has no type, below 500 it is `Validation` and from there on `Backend`. */
export function refuse(error: NearfieldError): WireReply {
  if (error.details.empty === true) return jsonReply({ error: error.message, error_type: 'Empty' }, {}, 400)
  const plain = errorCatalogue[error.code].status
  const { type, status = plain } = kinds[error.code] ?? { type: plain < 500 ? 'Validation' : 'Backend' }
  return jsonReply({ error: error.message, error_type: type }, {}, status)
}
