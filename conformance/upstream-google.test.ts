import { GoogleGenAI } from '@google/genai'
import { expect, test } from 'vitest'
import { systemClock } from '../server/src/time.ts'
import { geminiProvider } from '../server/src/upstream/gemini-provider.ts'
import { fakeGoogleKey, startFakeGoogle } from '../server/test/fake-google.ts'

test("what we send to Google for a list of one purpose is what Google's own client sends, and the double of Google serves both", async () => {
  await using google = await startFakeGoogle()
  const httpOptions = { baseUrl: google.url, apiVersion: 'v1beta' }
  const theirs = new GoogleGenAI({ apiKey: fakeGoogleKey, vertexai: false, httpOptions })
  const ours = geminiProvider({
    ...{ model: 'gemini-embedding-001', dimensions: 3072, baseUrl: google.url, apiKey: fakeGoogleKey },
    ...{ clock: systemClock, timeoutMs: 5_000, replyBytesMax: 10_000_000 },
  })
  const named = { taskType: 'RETRIEVAL_DOCUMENT', title: 'T' } as const
  for (const fields of [{}, named]) {
    const given = await theirs.models.embedContent({ model: 'gemini-embedding-001', contents: ['a', 'b'], config: fields })
    const { vectors } = await ours.embed(
      ['a', 'b'].map((text) => ({ text, ...fields })),
      new AbortController().signal,
    )
    expect(vectors).toEqual(given.embeddings?.map(({ values = [] }) => Float32Array.from(values)))
  }
  const [plainTheirs, plainOurs, namedTheirs, namedOurs] = google.calls
  expect(plainOurs).toMatchObject({ path: plainTheirs?.path, body: plainTheirs?.body })
  expect(namedOurs).toMatchObject({ path: namedTheirs?.path, body: namedTheirs?.body })
  expect(plainTheirs?.body).toEqual(plainOurs?.body)
  expect(namedTheirs?.body).toEqual(namedOurs?.body)
})
