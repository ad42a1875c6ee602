/**
 * A child of `bench/upstream.ts`: the upstream that answers at once, or after a while, with a ready vector; or the barest
 * proxy to it that can be written on Fastify. Sends its port, and the calls it had when it is asked for them.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'

const [role, argument = ''] = process.argv.slice(2)

/** Length of the vectors of text-embedding-3-small. */
const dimensions = 1536
const vector = JSON.stringify(
  Array.from({ length: dimensions }, (_, index) => Math.fround(Math.sin(index + 1) / Math.sqrt(dimensions / 2))),
)

process.on('disconnect', () => process.exit(0))
if (role === 'upstream') await serveVectors(Number(argument))
else await serveProxy(argument)

async function serveVectors(delayMs: number): Promise<void> {
  let calls = 0
  let texts = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { input } = JSON.parse(Buffer.concat(chunks).toString()) as { input: string | string[] }
    const count = typeof input === 'string' ? 1 : input.length
    calls++
    texts += count
    if (delayMs > 0) await sleep(delayMs)
    const data = Array.from({ length: count }, (_, index) => `{"object":"embedding","index":${index},"embedding":${vector}}`).join(',')
    const usage = `{"prompt_tokens":${count},"total_tokens":${count}}`
    response.setHeader('content-type', 'application/json')
    response.end(`{"object":"list","data":[${data}],"model":"text-embedding-3-small","usage":${usage}}`)
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.on('message', () => {
    process.send?.({ calls, texts })
    calls = 0
    texts = 0
  })
}

async function serveProxy(upstreamUrl: string): Promise<void> {
  const app = Fastify()
  app.post('/v1/embeddings', async (request, reply) => {
    const response = await fetch(`${upstreamUrl}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request.body),
    })
    return reply.type('application/json').send(await response.text())
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  process.send?.({ port: Number(new URL(address).port) })
}
