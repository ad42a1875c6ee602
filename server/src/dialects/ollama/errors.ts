import { errorCatalogue, type NearfieldError } from '../../errors.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'

/** `{"error"}`. Clients look for "not found" in the sentence about a model that there is not. Source: Ollama's routes. */
export function refuse(error: NearfieldError): WireReply {
  const message = error.code === 'model_not_found' ? `model not found: ${error.message}` : error.message
  return jsonReply({ error: message }, {}, errorCatalogue[error.code].status)
}
