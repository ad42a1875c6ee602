import { createTelemetry } from '../src/telemetry.ts'
import { systemClock } from '../src/time.ts'
import { Endpoint } from '../src/upstream/endpoint.ts'
import { geminiProvider } from '../src/upstream/gemini-provider.ts'
import { openAiProvider } from '../src/upstream/openai-provider.ts'
import { UpstreamEmbedder } from '../src/upstream/upstream-embedder.ts'
import { readUpstreamSettings, type UpstreamLimits } from '../src/upstream-settings.ts'
import { fakeGoogleKey } from './fake-google.ts'

/** Limits under which a test need not wait. */
export const quickLimits: UpstreamLimits = {
  ...readUpstreamSettings({}).limits,
  callTimeoutMs: 10_000,
  retryPauseMsMax: 2,
  breakMs: 40,
  breakMsMax: 80,
  gatherMs: 1,
  gatherMsMax: 4,
}

export interface TestEmbedderOptions {
  /** Where fakes of OpenAI's API answer, all of one model. */
  readonly urls: readonly string[]
  readonly dimensions: number
  readonly limits?: Partial<UpstreamLimits>
  readonly textsMax?: number
}

/** A model on fakes, without a server before it. */
export function openTestEmbedder({ urls, dimensions, limits = {}, textsMax = 100 }: TestEmbedderOptions): UpstreamEmbedder {
  const all = { ...quickLimits, ...limits }
  const common = { model: 'tiny', dimensions, clock: systemClock, timeoutMs: all.callTimeoutMs, replyBytesMax: all.replyBytesMax }
  const providers = urls.map((url) => openAiProvider({ ...common, baseUrl: `${url}/v1`, apiKey: undefined, textsMax }))
  return embedderOf(
    providers.map((provider, index) => new Endpoint(`tiny, endpoint ${index + 1}`, provider, all)),
    dimensions,
    all,
  )
}

/** gemini-embedding-001 on a fake, without a server before it; an endpoint for each key. */
export function openTestGemini(
  url: string,
  keys: readonly string[] = [fakeGoogleKey],
  limits: Partial<UpstreamLimits> = {},
): UpstreamEmbedder {
  const all = { ...quickLimits, ...limits }
  const common = {
    model: 'gemini-embedding-001',
    dimensions: 3072,
    clock: systemClock,
    timeoutMs: all.callTimeoutMs,
    replyBytesMax: all.replyBytesMax,
  }
  const endpoints = keys.map((apiKey, index) => new Endpoint(`key ${index + 1}`, geminiProvider({ ...common, baseUrl: url, apiKey }), all))
  return embedderOf(endpoints, 3072, all)
}

function embedderOf(endpoints: readonly Endpoint[], dimensions: number, limits: UpstreamLimits): UpstreamEmbedder {
  return new UpstreamEmbedder({
    ...{ model: 'tiny', dimensions, endpoints, limits, clock: systemClock },
    interactive: { textsMax: 16, tokensMax: 4_096 },
    log: createTelemetry({ logLevel: 'silent' }).log,
  })
}

/** Somebody who waits for so long. */
export function waitingFor(ms: number) {
  const abort = new AbortController()
  const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(ms)])
  return { accountId: 'acct_a', signal, deadlineMs: systemClock.monotonicMs() + ms, abort }
}
