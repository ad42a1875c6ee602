import { expect, test } from 'vitest'
import { wireOf } from './wire-of.ts'

const bearer = { authorization: 'Bearer k' }
const googleKey = { 'x-goog-api-key': 'k' }
const apiKey = { 'x-api-key': 'k' }

test.each([
  ['/v1/gemini-embedding-001', {}, 'segmind'],
  ['/v1/gemini-embedding-001', googleKey, 'segmind'],
  ['/v1/embeddings', apiKey, 'openai'],
  ['/openai/v1/models', googleKey, 'openai'],
  ['/v1beta/openai/embeddings?key=k', {}, 'openai'],
  ['/v1beta/models', bearer, 'gemini'],
  ['/upload/v1beta/files', bearer, 'gemini'],
  ['/v1/models/x:embedContent', bearer, 'gemini'],
  ['/v1/models/x%3aembedContent', apiKey, 'gemini'],
  ['/v1/models/ft:x', bearer, 'openai'],
  ['/v1/cachedContents', { 'x-goog-api-client': 'google-genai-sdk/3.1.0' }, 'gemini'],
  ['/v1beta1/publishers/google/models/x:predict', bearer, 'gemini'],
  ['/v1/projects/p/locations/l/nothing', bearer, 'gemini'],
  ['/v1/embed', apiKey, 'items'],
  ['/v1/embedder', apiKey, 'segmind'],
  ['/v2/embed', bearer, 'cohere'],
  ['/v2/embed-v4', apiKey, 'segmind'],
  ['/api/chat', bearer, 'ollama'],
  ['/embed', bearer, 'tei'],
  ['/tei/x', bearer, 'tei'],
  ['/information', bearer, 'segmind'],
  ['/v1/models', bearer, 'openai'],
  ['/v1/models?key=k', bearer, 'gemini'],
  ['/v1/models?monkey=k', bearer, 'openai'],
  ['/v1/models/x', googleKey, 'gemini'],
  ['/v1/models/x', { 'x-goog-api-client': 'google-genai-sdk/3.1.0' }, 'gemini'],
  ['/v1/models/x', apiKey, 'segmind'],
  ['/v1/models', {}, 'segmind'],
  ['/v1/files', bearer, 'openai'],
  ['/v1/files', {}, 'openai'],
  ['/v1/batches?limit=1', apiKey, 'openai'],
  ['/v1/filesystem', apiKey, 'segmind'],
  ['/v1/batches/b', googleKey, 'gemini'],
  ['/v1/batches/b', bearer, 'openai'],
  ['/v1/batches/b/cancel', bearer, 'openai'],
  ['/v1/batches/b:cancel', bearer, 'gemini'],
  ['/v1/files/f%3Adownload?alt=media', bearer, 'gemini'],
  ['/v1/files/f/content?a=b:c', bearer, 'openai'],
  ['/v1/models/x:asyncBatchEmbedContent', bearer, 'gemini'],
  ['/upload/v1/files', bearer, 'gemini'],
])('%s with %j speaks %s', (url, headers, name) => {
  expect(wireOf({ url, headers }).name).toBe(name)
})
