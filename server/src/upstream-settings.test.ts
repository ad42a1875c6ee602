import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'
import { upstreamDeployments } from './models/upstream-catalogue.ts'

const secret = 'AIza-canary-1'

test.each([
  { GEMINI_API_KEY: secret, GEMINI_API_KEY_FILE: '/nowhere' },
  { GEMINI_API_KEY: `${secret} ${secret}` },
  { GEMINI_API_KEY_FILE: '/nowhere' },
  { GEMINI_API_KEY: secret, NEARFIELD_GEMINI_BASE_URL: 'ftp://example.com' },
  { GEMINI_API_KEY: secret, NEARFIELD_GEMINI_BASE_URL: `https://example.com/?key=${secret}` },
  { GEMINI_API_KEY: secret, NEARFIELD_VERTEX_PROJECT: 'p', GOOGLE_APPLICATION_CREDENTIALS: 'file' },
  { NEARFIELD_VERTEX_PROJECT: 'p' },
  { NEARFIELD_UPSTREAM_URL: 'https://example.com/v1' },
  { NEARFIELD_UPSTREAM_MODELS: 'tiny=8' },
  { NEARFIELD_UPSTREAM_URL: `https://user:${secret}@example.com/v1`, NEARFIELD_UPSTREAM_MODELS: 'tiny=8' },
  { NEARFIELD_UPSTREAM_URL: 'https://example.com/v1', NEARFIELD_UPSTREAM_MODELS: 'tiny=0' },
  { NEARFIELD_UPSTREAM_URL: 'https://example.com/v1', NEARFIELD_UPSTREAM_MODELS: 'tiny=8', NEARFIELD_UPSTREAM_API_KEY: `${secret},b` },
  { GEMINI_API_KEY: secret, NEARFIELD_UPSTREAM_URL: 'https://example.com/v1', NEARFIELD_UPSTREAM_MODELS: 'gemini-embedding-001=3072' },
])('settings that cannot be (%#) are refused in a sentence that repeats no secret', (environment) => {
  const read = () => readConfig(environment)
  expect(read).toThrow(ConfigError)
  expect(read).not.toThrow(secret)
})

test('keys come from the variable or from a file, each once, and are no part of the settings', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'nearfield-'))
  try {
    const file = path.join(folder, 'keys')
    await writeFile(file, `${secret}\nAIza-canary-2\n\n${secret}\n`)
    const { config, secrets } = readConfig({ GEMINI_API_KEY_FILE: file })
    expect(secrets.geminiKeys).toEqual([secret, 'AIza-canary-2'])
    expect(inspect(config, { depth: null })).not.toContain('canary')
    expect(readConfig({ GEMINI_API_KEY: `${secret}, AIza-canary-2` }).secrets.geminiKeys).toEqual(secrets.geminiKeys)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a model of which the length of its vectors is not known is refused, one with a card has its prompts', () => {
  const settings = (models: string) =>
    readConfig({ NEARFIELD_UPSTREAM_URL: 'http://tei/v1', NEARFIELD_UPSTREAM_MODELS: models }).config.upstream
  expect(() => upstreamDeployments(settings('unheard-of'))).toThrow('unheard-of=768')
  const [bge, small] = upstreamDeployments(settings('BAAI/bge-small-en-v1.5,text-embedding-3-small'))
  expect(bge?.model).toMatchObject({ dimensions: 384, windowTokens: 512 })
  expect(bge?.model.prompts.RETRIEVAL_QUERY).toContain('Represent this sentence')
  expect(small).toMatchObject({ dimensionsDefault: 1536, inputTokensMax: 8191 })
})
