import type { Client } from './client.ts'
import { aiSdkOpenAi, aiSdkOpenAiCompatible } from './clients/ai-sdk.ts'
import { chromaOpenAi } from './clients/chroma.ts'
import { langChainOpenAi } from './clients/langchain.ts'
import { openAi, openAiFloats } from './clients/openai.ts'

/** Every client of the suite, in the order of the table. */
export const clients: readonly Client[] = [openAi, openAiFloats, aiSdkOpenAi, aiSdkOpenAiCompatible, langChainOpenAi, chromaOpenAi]
