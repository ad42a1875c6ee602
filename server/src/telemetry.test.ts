import { expect, test } from 'vitest'
import { NearfieldError } from './errors.ts'
import { createTelemetry } from './telemetry.ts'

const secret = 'nf_live_not_for_logs'

function recorded(act: (telemetry: ReturnType<typeof createTelemetry>) => void): string {
  const lines: string[] = []
  act(createTelemetry({ logLevel: 'trace' }, { write: (line) => void lines.push(line) }))
  return lines.join('')
}

test('a key or a text under its own name is removed, also one level down', () => {
  const log = recorded(({ log }) => {
    log.info(
      { secret, 'x-api-key': secret, headers: { authorization: secret, 'x-api-key': secret }, body: { input: secret }, text: secret },
      'x',
    )
  })
  expect(log).toContain('"msg":"x"')
  expect(log).not.toContain(secret)
})

test('an error of the database or of a parser is logged without its message, whatever wraps it', () => {
  const database = Object.assign(new Error(`Failed query: params: ${secret}`), { query: 'select', params: [secret] })
  const wrapped = new NearfieldError('unavailable', undefined, { cause: new Error('outer', { cause: database }) })
  const parser = new NearfieldError('internal', undefined, { cause: new SyntaxError(`Unexpected token in ${secret}`) })
  const log = recorded((telemetry) => {
    telemetry.requestFailed('req_1', wrapped)
    telemetry.requestFailed('req_2', parser)
  })
  expect(log).not.toContain(secret)
  expect(log).toContain('"message":"outer"')
  expect(log).toContain('withheld')
})

test('a request is one line with its id, status, tokens and times', () => {
  const log = recorded(({ requestDone }) => {
    requestDone({ requestId: 'req_1', method: 'POST', route: '/v1/:slug', status: 200, ms: 1.23456, facts: { tokens: 7, inferMs: 1.2 } })
  })
  expect(log.trim().split('\n')).toHaveLength(1)
  expect(JSON.parse(log)).toMatchObject({
    level: 'info',
    requestId: 'req_1',
    status: 200,
    ms: 1.235,
    tokens: 7,
    inferMs: 1.2,
    msg: 'request',
  })
})

test("a caller's own mistake is not logged as a failure of ours", () => {
  expect(recorded(({ requestFailed }) => requestFailed('req_1', new NearfieldError('invalid_request', secret)))).toBe('')
})
