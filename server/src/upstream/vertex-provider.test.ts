import { createVerify, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../time.ts'
import { AccessTokens, readServiceAccount } from './service-account.ts'
import { vertexProvider } from './vertex-provider.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Google's token endpoint and Vertex AI as far as one text is embedded by it; a double of what cannot be reached from a test. */
async function startFakeVertex() {
  const seen: { path: string; authorization: string | undefined; body: string }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    seen.push({ path: request.url ?? '', authorization: request.headers.authorization, body })
    response.setHeader('content-type', 'application/json')
    if (request.url === '/token') {
      const assertion = new URLSearchParams(body).get('assertion') ?? ''
      const [head, claims, signature = ''] = assertion.split('.')
      const isSigned = createVerify('sha256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url')
      response.statusCode = isSigned ? 200 : 400
      response.end(
        JSON.stringify(isSigned ? { access_token: 'token-1', expires_in: 3600, token_type: 'Bearer' } : { error: 'invalid_grant' }),
      )
      return
    }
    const values = [0.6, 0.8]
    const answer = request.url?.endsWith(':predict')
      ? { predictions: [{ embeddings: { values, statistics: { token_count: 3, truncated: false } } }] }
      : { embedding: { values }, usageMetadata: { promptTokenCount: 3 } }
    response.end(JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, seen, [Symbol.asyncDispose]: async () => void server.close(server.closeAllConnections.bind(server)) }
}

test('Vertex AI is asked with a token that the service account signed for, fetched once', async () => {
  await using vertex = await startFakeVertex()
  const folder = await mkdtemp(path.join(tmpdir(), 'nearfield-'))
  try {
    const file = path.join(folder, 'account.json')
    const account = { client_email: 'a@example.com', private_key_id: 'k1', token_uri: `${vertex.url}/token` }
    await writeFile(file, JSON.stringify({ ...account, private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }))
    const accessTokens = new AccessTokens(readServiceAccount(file), 1_000, systemClock)
    const common = {
      dimensions: 2,
      baseUrl: vertex.url,
      project: 'p',
      location: 'l',
      accessTokens,
      timeoutMs: 1_000,
      replyBytesMax: 10_000,
    }
    const signal = new AbortController().signal
    for (const model of ['gemini-embedding-001', 'gemini-embedding-2']) {
      const provider = vertexProvider({ ...common, model, clock: systemClock })
      const reply = await provider.embed([{ text: 'a', taskType: 'RETRIEVAL_DOCUMENT', title: 'T' }], signal)
      expect(reply).toEqual({ vectors: [Float32Array.of(0.6, 0.8)], tokens: 3 })
    }
    expect(vertex.seen.map((call) => call.path)).toEqual([
      '/token',
      '/v1/projects/p/locations/l/publishers/google/models/gemini-embedding-001:predict',
      '/v1/projects/p/locations/l/publishers/google/models/gemini-embedding-2:embedContent',
    ])
    expect(vertex.seen.slice(1).map(({ authorization }) => authorization)).toEqual(['Bearer token-1', 'Bearer token-1'])
    expect(JSON.parse(vertex.seen[1]?.body ?? '')).toEqual({ instances: [{ content: 'a', task_type: 'RETRIEVAL_DOCUMENT', title: 'T' }] })
  } finally {
    await rm(folder, { recursive: true })
  }
})
