import { expect, test } from 'vitest'
import { expectNothingBilled, startTestServer } from '../harness.ts'

test('a wrong verb gets an HTML page and the verbs that are right, whatever it carries, and nothing is billed', async () => {
  await using server = await startTestServer()
  const wrong = [
    ['GET', '/v1/gemini-embedding-001', 'POST'],
    ['PUT', '/v1/gemini-embedding-001', 'POST'],
    ['DELETE', '/v1/gemini-embedding-001', 'POST'],
    ['POST', '/v1/get-user-credits', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
  ] as const
  await expectNothingBilled(server, async () => {
    for (const [method, path, allow] of wrong) {
      const init = method === 'GET' ? {} : { body: 'not even JSON' }
      const answer = await fetch(server.url + path, { method, headers: { 'x-api-key': server.key }, ...init })
      expect(answer.status, `${method} ${path}`).toBe(405)
      expect(answer.headers.get('allow')).toBe(allow)
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect(await answer.text()).toMatch(/^<!doctype html>/)
    }
  })
})
