import { readFile } from 'node:fs/promises'
import path from 'node:path'

/** Texts with what people say of them, to measure vectors by. */
export type QualitySet = SimilaritySet | RetrievalSet

/** Pairs of texts with a score of their likeness. The measure is Spearman's rank correlation. */
export interface SimilaritySet {
  readonly kind: 'similarity'
  readonly name: string
  readonly pairs: readonly { readonly first: string; readonly second: string; readonly score: number }[]
}

/** Queries, and which documents answer them. The measure is nDCG of the ten best. */
export interface RetrievalSet {
  readonly kind: 'retrieval'
  readonly name: string
  readonly documents: readonly string[]
  readonly queries: readonly { readonly text: string; readonly relevant: ReadonlyMap<number, number> }[]
}

/**
 * Reads a folder: `pairs.jsonl` of `{"a","b","score"}`, or `corpus.jsonl`, `queries.jsonl` and `qrels.jsonl` of
 * `{"id","title","text"}`, `{"id","text"}` and `{"query","doc","score"}`, the layouts of MTEB.
 */
export async function readQualitySet(folder: string): Promise<QualitySet> {
  const name = path.basename(folder)
  const rows = (file: string) => readRows(path.join(folder, file))
  const pairs = await rows('pairs.jsonl')
  if (pairs !== undefined) {
    return {
      kind: 'similarity',
      name,
      pairs: pairs.map(({ a, b, score }) => ({ first: String(a), second: String(b), score: Number(score) })),
    }
  }
  const [corpus, queries, qrels] = [await rows('corpus.jsonl'), await rows('queries.jsonl'), await rows('qrels.jsonl')]
  if (corpus === undefined || queries === undefined || qrels === undefined) {
    throw new Error(`${folder} holds neither pairs.jsonl nor corpus.jsonl, queries.jsonl and qrels.jsonl`)
  }
  const positions = new Map(corpus.map(({ id }, position) => [String(id), position]))
  const relevant = new Map<string, Map<number, number>>()
  for (const { query, doc, score } of qrels) {
    const found = relevant.get(String(query)) ?? new Map<number, number>()
    relevant.set(String(query), found.set(positions.get(String(doc)) ?? -1, Number(score)))
  }
  return {
    kind: 'retrieval',
    name,
    documents: corpus.map(({ title, text }) => `${title ?? ''} ${text}`.trim()),
    queries: queries.flatMap(({ id, text }) => {
      const answers = relevant.get(String(id))
      return answers === undefined ? [] : [{ text: String(text), relevant: answers }]
    }),
  }
}

async function readRows(file: string): Promise<Record<string, unknown>[] | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text
    ?.split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
