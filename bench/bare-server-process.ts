/**
 * A child of `bench/bench.ts`: the server's engine behind the barest HTTP server that can be written on Node. It knows no keys,
 * no money, no limits, no task types, no errors and no logs: `{"input": text or texts}` in, vectors out, for as long as the
 * process lives. Sends its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readConfig } from '../server/src/config.ts'
import { BodyWriter } from '../server/src/dialects/body-writer.ts'
import { normalize } from '../server/src/embedding/normalize.ts'
import { startEngine } from '../server/src/inference/engine.ts'
import { allMiniLmL6V2 } from '../server/src/models/catalogue.ts'
import { compileModel } from '../server/src/models/compile.ts'
import { openModel } from '../server/src/models/open-model.ts'
import { systemClock } from '../server/src/time.ts'

const [dataDirectory = ''] = process.argv.slice(2)
const silent = () => {}
/** Of the answers of gemini-embedding-001, so that both send as many bytes. */
const dimensions = 3_072
const patienceMs = 60_000

const { config } = readConfig(process.env)
const opened = await openModel(allMiniLmL6V2, dataDirectory)
const engine = await startEngine({
  settings: config.engine,
  graphs: [() => compileModel({ ...opened, precision: config.engine.precision, dataDirectory, onProgress: silent })],
  gate: async () => undefined,
  clock: systemClock,
  log: { info: silent, warn: silent, error: silent },
})
const { tokenizer } = engine
const { signal } = new AbortController()

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { input } = JSON.parse(Buffer.concat(chunks).toString()) as { input: string | string[] }
  const texts = typeof input === 'string' ? [input] : input
  const sequences = texts.map((text) => Int32Array.from([...tokenizer.startIds, ...tokenizer.encode(text), ...tokenizer.endIds]))
  const deadlineMs = systemClock.monotonicMs() + patienceMs
  const { vectors } = await engine.run(sequences, { accountId: 'acct_bench', signal, deadlineMs })
  const body = new BodyWriter(vectors.length)
  for (const [index, vector] of vectors.entries()) {
    body.text(index === 0 ? '{"embeddings":[' : ',')
    body.vector(normalize(Float64Array.from(vector), dimensions), 'float')
  }
  body.text(']}')
  const bytes = body.finish()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))

process.on('disconnect', async () => {
  server.closeAllConnections()
  server.close()
  await engine.drain()
  process.exit(0)
})
