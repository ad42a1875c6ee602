import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { embedPath, expectNothingBilled, startTestServer } from '../harness.ts'

/** An engine that answers never, and tells when it was told to stop. */
function endlessEngine() {
  const reasons: unknown[] = []
  let told = () => {}
  const stopped = new Promise<void>((resolve) => {
    told = resolve
  })
  const started = Promise.withResolvers<void>()
  const run = (_sequences: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise<never>((_resolve, reject) => {
      started.resolve()
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason)
        told()
        reject(signal.reason)
      })
    })
  return { run, reasons, stopped, started: started.promise }
}

test('a request past its deadline is a 504, its work is dropped, and nothing is billed', async () => {
  const engine = endlessEngine()
  await using server = await startTestServer({ environment: { NEARFIELD_DEADLINE_MS: '200' }, embedder: () => engine })
  const answer = await expectNothingBilled(server, () => server.post({ input: 'a' }))
  expect(answer.status).toBe(504)
  expect(answer.json()).toEqual({ error: 'The request timed out. Nothing was billed.' })
  expect(answer.headers.get('retry-after')).toBe('1')
  expect(engine.reasons).toMatchObject([{ code: 'deadline_exceeded' }])
})

test('a caller who hangs up is not waited for, and nothing is billed', async () => {
  const engine = endlessEngine()
  await using server = await startTestServer({ embedder: () => engine })
  await expectNothingBilled(server, async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const body = '{"input":"a"}'
    const head = [`POST ${embedPath} HTTP/1.1`, 'host: nearfield', `x-api-key: ${server.key}`, 'content-type: application/json']
    socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    await engine.started
    socket.destroy()
    await engine.stopped
  })
  expect(engine.reasons).toMatchObject([{ code: 'client_closed' }])
})
