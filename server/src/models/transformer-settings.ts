import { recordOf } from './model-manifest.ts'
import type { Fields, RepositoryReader } from './repository-reader.ts'

/**
 * How many tokens a Transformer module reads, special tokens included: the reference's limit, `max_seq_length`, otherwise
 * what the card knows, otherwise the tokenizer's; never more than the model has positions.
 * @throws ModelError for a setting that changes what the module makes, and when nothing says a limit
 */
export async function readWindowTokens(
  reader: RepositoryReader,
  folder: string,
  config: Fields,
  known: number | undefined,
): Promise<number> {
  const name = settingsNames.map((file) => folder + file).find((file) => reader.files.has(file))
  const settings = name === undefined ? {} : await reader.fields(name)
  reader.expect(settings, name ?? '', {
    transformer_task: ['feature-extraction'],
    module_output_name: ['token_embeddings'],
    query_length: [],
    document_length: [],
    query_expansion: [],
  })
  if (settings.do_lower_case === true && !(await tokenizerLowers(reader, folder))) {
    reader.refuse('its texts are put in lower case before the tokenizer sees them, which is not supported')
  }
  const tokenizer = (await reader.fieldsIfAny(`${folder}tokenizer_config.json`)).model_max_length
  const limits = [[settings.max_seq_length, known, tokenizer].find(isLength), positionsOf(config)].filter((limit) => limit !== undefined)
  return limits.length > 0 ? Math.min(...limits) : reader.refuse('nothing says how many tokens it reads')
}

/** RoBERTa and what came of it count positions from the padding id on, so theirs are fewer than their table is long. */
function positionsOf(config: Fields): number | undefined {
  const positions = config.max_position_embeddings ?? config.n_positions
  if (typeof positions !== 'number' || positions <= 0) return undefined
  const fromPadding = /roberta|camembert/.test(String(config.model_type))
  return fromPadding ? positions - Number(config.pad_token_id ?? 1) - 1 : positions
}

async function tokenizerLowers(reader: RepositoryReader, folder: string): Promise<boolean> {
  const { normalizer } = await reader.fields(`${folder}tokenizer.json`)
  const { normalizers } = recordOf(normalizer) ?? {}
  const steps = Array.isArray(normalizers) ? normalizers : [normalizer]
  return steps.map(recordOf).some((step) => step?.type === 'Lowercase' || step?.lowercase === true)
}

/** One name for each base model sentence-transformers knew; the first that is there is the one it reads. */
const settingsNames = [
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_distilbert_config.json',
  'sentence_camembert_config.json',
  'sentence_albert_config.json',
  'sentence_xlm-roberta_config.json',
  'sentence_xlnet_config.json',
]

/** A tokenizer without a limit of its own writes a number beyond every length. */
function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= 1_048_576
}
