import { expect, test } from 'vitest'
import { openAiRateLimitHeaders } from './openai-rate-limit.ts'

const state = (resetMs: number) => ({ limit: 5, remaining: 4, resetAtMs: 1_000_000 + resetMs })
const unlimited = { limit: null, remaining: null, resetAtMs: 1_000_000 }

test.each([
  [0, '0ms'],
  [11.2, '12ms'],
  [1_000, '1s'],
  [59_001, '1m0s'],
  [360_000, '6m0s'],
  [361_000, '6m1s'],
])('%d milliseconds to the reset are written %s', (resetMs, written) => {
  expect(openAiRateLimitHeaders({ requests: state(resetMs), tokens: unlimited }, 1_000_000)).toEqual({
    'x-ratelimit-limit-requests': '5',
    'x-ratelimit-remaining-requests': '4',
    'x-ratelimit-reset-requests': written,
  })
})

test('a plan without limits has no headers', () => {
  expect(openAiRateLimitHeaders({ requests: unlimited, tokens: unlimited }, 0)).toEqual({})
})
