import { type ErrorCode, errorCatalogue, type NearfieldError } from '../../errors.ts'
import { formatDollars } from '../../money.ts'
import type { WireReply } from '../dialect.ts'
import { jsonReply } from '../json-reply.ts'
import { addressedModel } from './address.ts'

/** A status and its name. Source: google.rpc.Code. */
type GoogleStatus = readonly [number, string]

const invalidArgument: GoogleStatus = [400, 'INVALID_ARGUMENT']
const notFound: GoogleStatus = [404, 'NOT_FOUND']
const unavailable: GoogleStatus = [503, 'UNAVAILABLE']

/** Google's words for what can go wrong; the rest is an invalid argument below 500 and internal from there on. */
const statuses: Partial<Record<ErrorCode, GoogleStatus>> = {
  invalid_api_key: invalidArgument,
  missing_api_key: [403, 'PERMISSION_DENIED'],
  permission_denied: [403, 'PERMISSION_DENIED'],
  model_not_found: notFound,
  not_recorded: notFound,
  not_found: notFound,
  route_not_found: notFound,
  credits_not_found: notFound,
  method_not_allowed: [405, 'UNIMPLEMENTED'],
  space_mismatch: [400, 'FAILED_PRECONDITION'],
  state_conflict: [400, 'FAILED_PRECONDITION'],
  idempotency_key_reused: [400, 'FAILED_PRECONDITION'],
  receive_timeout: [408, 'DEADLINE_EXCEEDED'],
  client_closed: [499, 'CANCELLED'],
  insufficient_credits: [402, 'RESOURCE_EXHAUSTED'],
  rate_limited: [429, 'RESOURCE_EXHAUSTED'],
  overloaded: unavailable,
  engine_failed: unavailable,
  unavailable,
  deadline_exceeded: [504, 'DEADLINE_EXCEEDED'],
}

/** Google's own sentences, word for word: clients compare them. */
const messages: Partial<Record<ErrorCode, string>> = {
  invalid_api_key: 'API key not valid. Please pass a valid API key.',
  missing_api_key:
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
  overloaded: 'The model is overloaded. Please try again later.',
}

/** What Google calls the fields of the one embedding request. */
const fieldNames: Readonly<Record<string, string>> = {
  dimensions: 'output_dimensionality',
  input: 'content',
  inputs: 'content',
  taskType: 'task_type',
}

/** `{"error":{"code","message","status","details"}}`; the status of HTTP is the code. Source: google.rpc.Status, error_details.proto. */
export function refuse(error: NearfieldError, url = ''): WireReply {
  const [code, status] = statusOf(error.code)
  const message = messageOf(error, url)
  const details = detailsOf(error, message, url)
  return jsonReply({ error: { code, message, status, ...(details.length === 0 ? {} : { details }) } }, {}, code)
}

/** Numbers of the names. Source: google.rpc.Code. */
const rpcCodes: Readonly<Record<string, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
}

/** An error where it is not the answer of HTTP but stands in one: there the code is a number of google.rpc.Code. Source: google.rpc.Status. */
export function rpcStatus(error: NearfieldError, url = '') {
  const [, status] = statusOf(error.code)
  const message = messageOf(error, url)
  const details = detailsOf(error, message, url)
  return { code: rpcCodes[status] ?? 2, message, status, ...(details.length === 0 ? {} : { details }) }
}

function statusOf(code: ErrorCode): GoogleStatus {
  return statuses[code] ?? (errorCatalogue[code].status < 500 ? invalidArgument : [500, 'INTERNAL'])
}

function messageOf(error: NearfieldError, url: string): string {
  const { balance, need } = error.details
  switch (error.code) {
    case 'model_not_found':
      return notFoundMessage(url) ?? error.message
    case 'insufficient_credits':
      if (typeof balance !== 'bigint' || typeof need !== 'bigint') break
      return `Your prepayment credits are depleted: the balance is $${formatDollars(balance)} and this request needs $${formatDollars(need)}.`
    case 'rate_limited':
      return quotaMessage(error)
  }
  return messages[error.code] ?? error.message
}

/** Google's sentence for a model it does not have, or has for something else. */
function notFoundMessage(url: string): string | undefined {
  const addressed = addressedModel(url)
  if (addressed === undefined) return undefined
  const { version, name, method } = addressed
  const unsupported = method === undefined ? '' : `, or is not supported for ${method}`
  return `${name} is not found for API version ${version}${unsupported}. Call ListModels to see the list of available models and their supported methods.`
}

type Detail = Readonly<Record<string, unknown>>

function detailsOf(error: NearfieldError, message: string, url: string): Detail[] {
  const details: Detail[] = []
  switch (error.code) {
    case 'invalid_api_key':
      details.push(errorInfo('API_KEY_INVALID'), typed('LocalizedMessage', { locale: 'en-US', message }))
      break
    case 'permission_denied':
      details.push(errorInfo('API_KEY_SERVICE_BLOCKED'))
      break
    case 'rate_limited':
      details.push(typed('QuotaFailure', { violations: [quotaViolation(error)] }))
      break
    default: {
      const violation = fieldViolation(error, message, url)
      if (violation !== undefined) details.push(typed('BadRequest', { fieldViolations: [violation] }))
    }
  }
  const { retryAfterMs } = error.details
  if (error.retryable && typeof retryAfterMs === 'number') {
    details.push(typed('RetryInfo', { retryDelay: `${Math.max(1, Math.ceil(retryAfterMs / 1_000))}s` }))
  }
  return details
}

function errorInfo(reason: string): Detail {
  return typed('ErrorInfo', { reason, domain: 'googleapis.com', metadata: { service: 'generativelanguage.googleapis.com' } })
}

/** Google's names of what a plan limits. */
const quotas: Readonly<Record<string, Detail>> = {
  requests: { quotaMetric: 'generativelanguage.googleapis.com/embed_content_paid_tier_requests', quotaId: 'EmbedContentRequestsPerMinute' },
  tokens: {
    quotaMetric: 'generativelanguage.googleapis.com/embed_content_paid_tier_input_token_count',
    quotaId: 'EmbedContentInputTokensPerMinute',
  },
}

function quotaMessage({ message, details: { counted, limit } }: NearfieldError): string {
  const quota = quotas[String(counted)]
  const metric = quota === undefined ? '' : `\n* Quota exceeded for metric: ${quota.quotaMetric}, limit: ${limit}`
  return `You exceeded your current quota, please check your plan and billing details. ${message}${metric}`
}

function quotaViolation({ message, details: { counted, limit } }: NearfieldError): Detail {
  return { description: message, ...quotas[String(counted)], ...(typeof limit === 'number' ? { quotaValue: String(limit) } : {}) }
}

/** The field that is at fault; an empty one is the whole message, which Google leaves out. */
function fieldViolation({ details: { field, index } }: NearfieldError, description: string, url: string): Detail | undefined {
  if (typeof field !== 'string') return undefined
  if (field === '') return { description }
  const known = fieldNames[field]
  if (known === undefined) return { field, description }
  const inBatch = addressedModel(url)?.method === 'batchEmbedContents' && typeof index === 'number'
  return { field: inBatch ? `requests[${index}].${known}` : known, description }
}

function typed(name: string, facts: Detail): Detail {
  return { '@type': `type.googleapis.com/google.rpc.${name}`, ...facts }
}
