/** The files of a small repository in the layout of sentence-transformers. The weights are bytes, not a model. */
export function modelRepository(changes: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const files: Record<string, string | undefined> = {
    'modules.json': JSON.stringify([
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
    ]),
    '1_Pooling/config.json': JSON.stringify({
      word_embedding_dimension: 32,
      pooling_mode_mean_tokens: true,
      pooling_mode_cls_token: false,
    }),
    'sentence_bert_config.json': JSON.stringify({ max_seq_length: 128, do_lower_case: false }),
    'config_sentence_transformers.json': JSON.stringify({
      prompts: { query: 'query: ', document: 'passage: ' },
      default_prompt_name: null,
    }),
    'config.json': JSON.stringify({ model_type: 'bert', hidden_size: 32, max_position_embeddings: 512 }),
    'tokenizer.json': JSON.stringify({ model: { type: 'WordPiece' }, normalizer: { lowercase: true } }),
    'model.safetensors': weights(4_096),
    'pytorch_model.bin': weights(5_000),
    'README.md': 'about',
    ...changes,
  }
  return Object.fromEntries(Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function weights(length: number): string {
  return Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7) % 90))).join('')
}
