import { NearfieldError } from '../../errors.ts'
import type { Dialect, RequestHeaders } from '../dialect.ts'
import type { SegmindCall } from './decode.ts'
import { encode } from './encode.ts'
import { refuse } from './errors.ts'

/** Segmind's v1: a key in `x-api-key`, a body per model, accounting in headers. Source: docs/guides/segmind-dialect.md. */
export const segmind: Dialect<SegmindCall> = { name: 'segmind', credential, encode, refuse }

/** Segmind reads `x-api-key` alone; a bearer token is always refused. Source: docs/guides/segmind-dialect.md. */
function credential(headers: RequestHeaders): string | undefined {
  const key = headers['x-api-key']
  if (typeof key === 'string' && key !== '') return key
  if (headers.authorization !== undefined) throw new NearfieldError('invalid_api_key')
  return undefined
}
