import { createHash } from 'node:crypto'
import type { Ground } from './context.ts'
import { prepareTexts } from './embedding/prepare-texts.ts'
import { type SpaceFacts, spaceName } from './embedding/space.ts'
import type { Deployment, UpstreamService } from './models/model.ts'
import { upstreamDeployments } from './models/upstream-catalogue.ts'
import type { ModelLease, ModelListing, ServedModel } from './serve.ts'
import type { Clock } from './time.ts'
import { Endpoint } from './upstream/endpoint.ts'
import { geminiProvider } from './upstream/gemini-provider.ts'
import { openAiProvider } from './upstream/openai-provider.ts'
import type { Provider } from './upstream/provider.ts'
import { AccessTokens, readServiceAccount } from './upstream/service-account.ts'
import { UpstreamEmbedder, type UpstreamStats } from './upstream/upstream-embedder.ts'
import { vertexProvider } from './upstream/vertex-provider.ts'
import type { UpstreamRecording } from './upstream-recording.ts'
import type { UpstreamLimits, UpstreamSettings, VertexSettings } from './upstream-settings.ts'

/** Stands between a model and one of its endpoints: it may record what is said, answer itself, or make it fail. */
export type WrapProvider = (provider: Provider, of: ProviderOf) => Provider

export interface ProviderOf {
  readonly deployment: Deployment
  /** Which of the deployment's endpoints, from 1. All of them answer in the same space. */
  readonly endpoint: number
  /** The space of whole vectors. */
  readonly space: string
}

/** A model that other machines compute, as callers find it. */
export interface UpstreamModel extends ServedModel, Disposable {
  /** Who computes it, for people: `Google`, or the host of a service. */
  readonly maker: string
  listing(): ModelListing
  stats(): UpstreamStats
}

/**
 * The models that other machines compute, by name. Opening them asks nobody anything.
 * @throws ConfigError for a model of which too little is known
 */
export function openUpstreamModels(
  ground: Ground,
  recording: UpstreamRecording,
  wrap: WrapProvider = (provider) => provider,
): readonly UpstreamModel[] {
  return upstreamDeployments(ground.config.upstream).map((deployment) => openModel(ground, deployment, recording, wrap))
}

function openModel(ground: Ground, deployment: Deployment, recording: UpstreamRecording, wrap: WrapProvider): UpstreamModel {
  const { config, clock, telemetry } = ground
  const { model, name } = deployment
  const { limits } = config.upstream
  const facts = spaceFactsOf(deployment, config.upstream.openAi?.baseUrls[0])
  const space = (dimensions: number) => spaceName(facts, dimensions)
  const recorded = { model: upstreamName(deployment), dimensions: model.dimensions }
  const endpoints = recording
    .providersOf(recorded, () => providersOf(ground, deployment))
    .map((provider, index) => {
      const endpoint = index + 1
      // The one place where every call to another machine passes.
      return new Endpoint(`${name}, endpoint ${endpoint}`, wrap(provider, { deployment, endpoint, space: space(model.dimensions) }), limits)
    })
  const { interactiveSequencesMax: textsMax, interactiveTokensMax: tokensMax } = config.engine
  const embedder = new UpstreamEmbedder({
    ...{ model: name, dimensions: model.dimensions, endpoints, limits, clock, log: telemetry.log },
    interactive: { textsMax, tokensMax },
  })
  const lease: ModelLease = {
    prepare: prepareTexts,
    ...{ tokenizer: undefined, embedder, rotation: undefined, space },
    [Symbol.dispose]: () => {},
  }
  return {
    ...{ deployment, maker: makerOf(deployment, config.upstream) },
    lease: () => lease,
    listing: () => ({
      ...{ deployment, state: 'warm', precision: undefined, parity: 'unverified' },
      space: space(deployment.dimensionsDefault),
    }),
    stats: () => embedder.stats(),
    [Symbol.dispose]: () => embedder[Symbol.dispose](),
  }
}

function upstreamName({ name, model: { source } }: Deployment): string {
  return source.kind === 'upstream' ? source.model : name
}

/** Whose vectors they are, as a space says it. */
const makers: Record<UpstreamService, string> = { gemini: 'google', vertex: 'vertex', openai: 'openai' }

/** What another machine does cannot be looked at: its space is whose model it is, and for a service of one's own, where. */
function spaceFactsOf(deployment: Deployment, baseUrl: string | undefined): SpaceFacts {
  const { source, dimensions } = deployment.model
  if (source.kind !== 'upstream') throw new Error(`${deployment.name} is no model of another machine; this is a bug`)
  const { service, model } = source
  const facts = [makers[service], model, dimensions, service === 'openai' ? baseUrl : null]
  const fingerprint = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
  return { deployment, precision: makers[service], fingerprint, rotated: undefined }
}

/** One for each key and each address: all of one space. */
function providersOf({ config, secrets, clock }: Ground, { model: { source, dimensions } }: Deployment): Provider[] {
  if (source.kind !== 'upstream') return []
  const { gemini, vertex, openAi, limits } = config.upstream
  const common = { model: source.model, dimensions, clock, timeoutMs: limits.callTimeoutMs, replyBytesMax: limits.replyBytesMax }
  switch (source.service) {
    case 'gemini':
      return secrets.geminiKeys.map((apiKey) => geminiProvider({ ...common, baseUrl: gemini?.baseUrl ?? '', apiKey }))
    case 'openai':
      return (openAi?.baseUrls ?? []).map((baseUrl) =>
        openAiProvider({ ...common, baseUrl, apiKey: secrets.openAiUpstreamKey, textsMax: openAi?.batchTextsMax ?? 1 }),
      )
    case 'vertex':
      return vertex === undefined
        ? []
        : [vertexProvider({ ...common, ...vertex, baseUrl: vertexAddress(vertex), accessTokens: tokensOf(vertex, limits, clock) })]
  }
}

/** Source: Vertex AI, REST endpoints. */
function vertexAddress({ baseUrl, location }: VertexSettings): string {
  return baseUrl ?? (location === 'global' ? 'https://aiplatform.googleapis.com' : `https://${location}-aiplatform.googleapis.com`)
}

function tokensOf({ credentialsFile }: VertexSettings, { callTimeoutMs }: UpstreamLimits, clock: Clock): AccessTokens {
  return new AccessTokens(readServiceAccount(credentialsFile), callTimeoutMs, clock)
}

function makerOf({ model: { source } }: Deployment, { openAi }: UpstreamSettings): string {
  if (source.kind !== 'upstream') return 'this machine'
  const names: Record<UpstreamService, () => string> = {
    gemini: () => 'Google, by the Gemini API',
    vertex: () => 'Google, by Vertex AI',
    openai: () => (openAi?.baseUrls ?? []).map((url) => new URL(url).host).join(' and '),
  }
  return names[source.service]()
}
