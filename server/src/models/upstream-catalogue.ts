import { ConfigError } from '../config.ts'
import { googleModels, type OpenAiUpstreamSettings, type UpstreamSettings } from '../upstream-settings.ts'
import { findCard, gemmaPrompts } from './cards.ts'
import type { Deployment, ModelCard, UpstreamService } from './model.ts'

/** Below this the retrieval quality of a model that was not trained for it is gone. */
const cutDimensionsMin = 32

/** What another machine's model is, wherever it is asked. `windowTokens` is its longest input: there are no special tokens to count. */
type Profile = Pick<ModelCard, 'name' | 'description' | 'licence' | 'dimensions' | 'windowTokens' | 'prompts' | 'matryoshka'> &
  Pick<ModelCard, 'fields' | 'unitLengthCuts'>

/**
 * Google's models. What each takes, and what it would take and not act on:
 *
 * | | gemini-embedding-001 | gemini-embedding-2 |
 * |---|---|---|
 * | task type | a field beside the text | the field is without effect: words before the text |
 * | title | a field, of documents alone | words before the text |
 * | vectors cut short | as they were cut | of unit length |
 *
 * Source: the Gemini API's page on embeddings.
 */
const googleProfiles: readonly Profile[] = [
  {
    name: googleModels[0],
    description: "Google's model for text in more than a hundred languages and code, computed by Google.",
    licence: "Google's terms",
    dimensions: 3072,
    windowTokens: 2048,
    prompts: {},
    fields: { taskTypes: true, titles: true },
    matryoshka: [1536, 768],
  },
  {
    name: googleModels[1],
    description: "Google's second model of the name, of which texts are served; computed by Google.",
    licence: "Google's terms",
    dimensions: 3072,
    windowTokens: 8192,
    prompts: gemmaPrompts,
    matryoshka: [1536, 768],
    unitLengthCuts: true,
  },
]

/** Source: OpenAI API, Embeddings. */
const openAiProfiles: readonly Profile[] = [
  { ...openAi('text-embedding-3-small', 1536), matryoshka: [512] },
  { ...openAi('text-embedding-3-large', 3072), matryoshka: [1024, 256] },
  openAi('text-embedding-ada-002', 1536),
]

function openAi(name: string, dimensions: number): Profile {
  const licence = "OpenAI's terms"
  return { name, description: "OpenAI's model, computed there.", licence, dimensions, windowTokens: 8191, prompts: {}, matryoshka: [] }
}

/**
 * The names that other machines serve, in the order in which they are listed. They come before any model of this machine.
 * @throws ConfigError for a model whose vectors are of unknown length
 */
export function upstreamDeployments({ gemini, vertex, openAi }: UpstreamSettings): readonly Deployment[] {
  const google = gemini !== undefined ? 'gemini' : vertex !== undefined ? 'vertex' : undefined
  return [
    ...(google === undefined ? [] : googleProfiles.map((profile) => deploymentOf(profile, google, profile.name, 128))),
    ...(openAi === undefined ? [] : Array.from(openAi.models, ([name, dimensions]) => openAiDeployment(name, dimensions, openAi))),
  ]
}

function openAiDeployment(name: string, dimensions: number | undefined, { inputTokensMax }: OpenAiUpstreamSettings): Deployment {
  const known = openAiProfiles.find((profile) => profile.name === name) ?? findCard(name)
  const length = dimensions ?? known?.dimensions
  if (length === undefined) {
    throw new ConfigError(`NEARFIELD_UPSTREAM_MODELS names ${name}, whose vectors are of a length not known here. Say it: ${name}=768.`)
  }
  // The words its card puts before a text are put there by us, for the service does not know what the text is for.
  const { description = 'Computed by another service.', licence = 'as there', prompts = {}, matryoshka = [] } = known ?? {}
  const profile = {
    name,
    description,
    licence,
    dimensions: length,
    windowTokens: known?.windowTokens ?? inputTokensMax,
    prompts,
    matryoshka,
  }
  return deploymentOf(profile, 'openai', name, Math.min(cutDimensionsMin, ...matryoshka, length))
}

function deploymentOf(profile: Profile, service: UpstreamService, model: string, dimensionsMin: number): Deployment {
  const { name, dimensions, windowTokens } = profile
  return {
    name,
    model: { ...profile, source: { kind: 'upstream', service, model }, family: 'upstream', pooling: 'mean', score: undefined },
    standIn: false,
    dimensionsMin,
    dimensionsMax: dimensions,
    dimensionsDefault: dimensions,
    inputTokensMax: windowTokens,
    longInputs: 'cut',
  }
}
