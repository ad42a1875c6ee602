import { expect, test } from 'vitest'
import { modelCards } from '../models/cards.ts'
import { allMiniLmL6V2 } from '../models/catalogue.ts'
import { promptOf, promptWarnings } from './prompt.ts'

const titled = {
  ...allMiniLmL6V2,
  name: 'titled',
  windowTokens: 40,
  prompts: { RETRIEVAL_QUERY: 'query: ', RETRIEVAL_DOCUMENT: 'title: none | text: ' },
}
/** A token per character. */
const characters = (text: string, tokensMax: number) => Math.min(text.length, tokensMax)
const document = (...titles: (string | undefined)[]) => ({ taskType: 'RETRIEVAL_DOCUMENT' as const, titles })

test('a title stands in its place in the prompt for documents, whatever it is made of', () => {
  expect(promptOf(document('A $& B'), 0, titled, characters)).toBe('title: A $& B | text: ')
  expect(promptOf(document(undefined, 'B'), 0, titled, characters)).toBe('title: none | text: ')
  expect(promptOf(document(undefined, 'B'), 1, titled, characters)).toBe('title: B | text: ')
})

test('a title that would fill the window is refused, because it leads every window', () => {
  expect(promptOf(document('x'.repeat(10)), 0, titled, characters)).toContain('xxxxxxxxxx')
  expect(() => promptOf(document('x'.repeat(11)), 0, titled, characters)).toThrow(
    expect.objectContaining({ code: 'invalid_request', details: { field: 'title', index: 0 } }),
  )
})

test('a title without a place changes nothing and is named once', () => {
  const query = { taskType: 'RETRIEVAL_QUERY' as const, titles: ['A', 'B'] }
  expect(promptOf(query, 0, titled, characters)).toBe('query: ')
  expect(promptWarnings(query, titled)).toEqual(['The title had no effect: titled reads one with RETRIEVAL_DOCUMENT only.'])
  expect(promptWarnings(document('A'), allMiniLmL6V2)).toContainEqual(expect.stringContaining('was trained without titles'))
  expect(promptWarnings(document('A'), titled)).toEqual([])
  expect(promptWarnings(document(undefined), titled)).toEqual([])
})

test('EmbeddingGemma has a place for a title', () => {
  const gemma = modelCards.find(({ name }) => name.startsWith('embeddinggemma'))
  expect(gemma && promptOf(document('Cats'), 0, gemma, characters)).toBe('title: Cats | text: ')
})
