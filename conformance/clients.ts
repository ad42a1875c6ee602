import type { Client } from './client.ts'
import { aiSdkOpenAi, aiSdkOpenAiCompatible } from './clients/ai-sdk.ts'
import { chromaOpenAi } from './clients/chroma.ts'
import { aiSdkGoogle, chromaGoogle, googleGenAi, langChainGoogle, llamaIndexGoogle, olderGoogleGenAi } from './clients/google.ts'
import { googleBatches, olderGoogleBatches } from './clients/google-batches.ts'
import { langChainOpenAi } from './clients/langchain.ts'
import { nearfield, nearfieldBatches, nearfieldLater } from './clients/nearfield.ts'
import { openAi, openAiFloats } from './clients/openai.ts'
import { openAiBatches } from './clients/openai-batches.ts'
import { recordedGoogle } from './clients/recorded-google.ts'
import { recordedOpenAi } from './clients/recorded-openai.ts'
import { recordedOthers } from './clients/recorded-others.ts'
import { recordedSegmind } from './clients/recorded-segmind.ts'
import { cohere, ollama, voyage } from './clients/small-dialects.ts'

/** Every client of the suite, in the order of the table. */
export const clients: readonly Client[] = [
  nearfield,
  nearfieldLater,
  nearfieldBatches,
  googleGenAi,
  olderGoogleGenAi,
  googleBatches,
  olderGoogleBatches,
  aiSdkGoogle,
  langChainGoogle,
  llamaIndexGoogle,
  chromaGoogle,
  openAi,
  openAiFloats,
  openAiBatches,
  aiSdkOpenAi,
  aiSdkOpenAiCompatible,
  langChainOpenAi,
  chromaOpenAi,
  ollama,
  cohere,
  voyage,
  ...recordedGoogle,
  ...recordedOpenAi,
  ...recordedSegmind,
  ...recordedOthers,
]
