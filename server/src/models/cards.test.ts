import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { taskTypes } from '../embedding/request.ts'
import { findCard, modelCards } from './cards.ts'
import type { ModelCard } from './model.ts'
import { isModelName, isRevision } from './model-manifest.ts'

test('every card can be used: names are proper and their own, sizes make sense, sources can be pulled', () => {
  expect(new Set(modelCards.map(({ name }) => name)).size).toBe(modelCards.length)
  for (const { name, source, dimensions, matryoshka, windowTokens, score } of modelCards) {
    expect(isModelName(name) && name === name.toLowerCase(), name).toBe(true)
    expect(dimensions % 64, name).toBe(0)
    expect(windowTokens, name).toBeGreaterThanOrEqual(256)
    for (const size of matryoshka) expect(size, name).toBeLessThan(dimensions)
    expect(
      [...matryoshka].sort((a, b) => b - a),
      name,
    ).toEqual(matryoshka)
    if (score !== undefined) expect(URL.canParse(score.source) && score.score > 40 && score.score < 100, name).toBe(true)
    if (source.kind === 'hub') expect(source.revision === 'main' || isRevision(source.revision), name).toBe(true)
  }
})

test('a card that tells purposes apart has a prompt for each of them, and a text without one is left alone', () => {
  const purposes = taskTypes.filter((purpose) => purpose !== 'TASK_TYPE_UNSPECIFIED').toSorted()
  for (const { name, prompts } of modelCards) {
    const named = Object.keys(prompts).toSorted()
    if (named.length > 0) expect(named, name).toEqual(purposes)
  }
})

test('a model is found by its name, its repository, and however the letters are written', () => {
  for (const name of ['bge-m3', 'BAAI/bge-m3', 'BGE-M3', 'baai/BGE-m3']) expect(findCard(name)?.name).toBe('bge-m3')
  expect(findCard('bge')).toBeUndefined()
})

test('the guide lists every card as it is', () => {
  const guide = readFileSync(path.resolve(import.meta.dirname, '../../../docs/guides/models.md'), 'utf8')
  const [, section = ''] = guide.split('## Known models\n')
  const [table = ''] = section.split('\n## ')
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  expect(rows).toEqual(modelCards.map(row))
})

function row({ name, source, licence, family, dimensions, matryoshka, windowTokens, pooling, prompts, score }: ModelCard): string {
  const from =
    source.kind === 'hub'
      ? `[${source.repository}](https://huggingface.co/${source.repository}/tree/${source.revision})`
      : 'comes with Nearfield'
  const sizes = [dimensions, ...matryoshka].join(', ')
  const figure = score === undefined ? '' : `[${score.score.toFixed(2)}](${score.source}) ${score.benchmark}`
  const runs = family === 'onnx' ? 'ONNX file' : 'compiled'
  const cells = [`\`${name}\``, from, licence, runs, sizes, windowTokens, pooling, Object.keys(prompts).length > 0 ? 'yes' : '', figure]
  return `| ${cells.join(' | ')} |`
}
