/** `node bulk-job-process.ts <server url> <api key>`, driven by messages: embeds lists of texts over a few connections, as fast as it is answered. */
import { EmbedCaller } from './embed-call.ts'

export interface JobOrder {
  readonly texts: readonly string[]
  readonly listLength: number
  readonly connections: number
}

const [url = '', apiKey = ''] = process.argv.slice(2)
const caller = new EmbedCaller(url, apiKey)

process.on('message', async (order: JobOrder) => {
  process.send?.(await run(order))
})
process.on('disconnect', () => caller[Symbol.dispose]())
process.send?.('ready')

/** Texts per second. */
async function run({ texts, listLength, connections }: JobOrder): Promise<number> {
  const started = performance.now()
  let next = 0
  const worker = async () => {
    while (next < texts.length) {
      const from = next
      next += listLength
      const { status } = await caller.embed(texts.slice(from, from + listLength))
      if (status !== 200) throw new Error(`the server answered ${status}; see its log above`)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  return (texts.length / (performance.now() - started)) * 1_000
}
