import { expect, test } from 'vitest'
import { answerFormat } from './accept.ts'

test.each([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['text/plain', 'text/plain'],
  ['text/*', 'text/plain'],
  ['text/csv, text/plain', 'text/plain'],
  ['text/csv, text/plain;q=0.9', 'text/csv'],
  ['application/octet-stream', 'application/octet-stream'],
  ['application/*', 'application/json'],
  ['application/json;q=0, */*', 'text/plain'],
  ['TEXT/CSV ; Q=1', 'text/csv'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json'],
  ['image/png', 'application/json'],
  ['', 'application/json'],
  [';;,q=,text/plain;q=2', 'text/plain'],
])('Accept: %s is answered with %s', (accept, format) => expect(answerFormat(accept)).toBe(format))
