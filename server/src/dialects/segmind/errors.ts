import { type ErrorCode, errorCatalogue, type NearfieldError } from '../../errors.ts'
import { utcSecond } from '../accounting.ts'
import type { WireReply } from '../dialect.ts'

/**
 * Where Segmind's status is not the plain one. Its 406 has two meanings here, content type and credits, and its model
 * page knows 502 but no 503. A value out of its range is 400, as the model page says ("Invalid parameters or request
 * format"); the gateway's 406 for a "value outside a declared fixed set" is documented only for media models and is
 * indistinguishable from an empty balance to a caller, so it is not imitated. Source: docs/guides/segmind-dialect.md.
 */
const segmindStatus: Partial<Record<ErrorCode, number>> = {
  invalid_content_type: 406,
  insufficient_credits: 406,
  unavailable: 502,
}

/** Segmind's own sentences, where they are documented. */
const segmindMessage: Partial<Record<ErrorCode, string>> = {
  missing_api_key: 'Missing Authorization or x-api-key in header',
  invalid_api_key: 'Unauthorized. API key is invalid or may have expired. Send a valid key in the x-api-key header.',
}

/** What this dialect calls the fields of the one embedding request. */
const fieldNames: Readonly<Record<string, string>> = { dimensions: 'output_dimensionality', inputs: 'input', taskType: 'task_type' }

export function segmindStatusOf(code: ErrorCode): number {
  return segmindStatus[code] ?? errorCatalogue[code].status
}

/** `{"error":"<message>"}`; a wrong verb is an HTML page, as at Segmind. */
export function refuse(error: NearfieldError): WireReply {
  const status = segmindStatusOf(error.code)
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' }
  const resetAtMs = error.details.resetAtMs
  if (typeof resetAtMs === 'number') headers['x-rate-limit-reset-at-utc'] = utcSecond(resetAtMs)
  if (error.code === 'method_not_allowed') {
    return { status, headers: { ...headers, 'content-type': 'text/html; charset=utf-8' }, body: methodNotAllowedPage }
  }
  return { status, headers, body: JSON.stringify({ error: messageOf(error) }) }
}

/** What a caller is told, in a sentence. */
export function messageOf(error: NearfieldError): string {
  const { field } = error.details
  const name = typeof field === 'string' ? fieldNames[field] : undefined
  return name === undefined ? (segmindMessage[error.code] ?? error.message) : `\`${name}\`: ${error.message}`
}

const methodNotAllowedPage =
  '<!doctype html>\n<html lang="en">\n<title>405 Method Not Allowed</title>\n' +
  '<h1>Method Not Allowed</h1>\n<p>The method is not allowed for the requested URL.</p>\n</html>\n'
