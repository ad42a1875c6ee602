import { errorCatalogue, type NearfieldError } from '../../errors.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'

/** `{"message"}`; Cohere's statuses are the plain ones. Source: Cohere's API reference, errors. */
export function refuse(error: NearfieldError): WireReply {
  return jsonReply({ message: error.message }, {}, errorCatalogue[error.code].status)
}
