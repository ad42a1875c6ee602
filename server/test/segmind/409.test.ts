import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectBooksToBalance, expectNothingBilled, startTestServer, type TestServer } from '../harness.ts'

// A request may name the vector space its answer must be in. In any other space it is refused before anything is paid.

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const pinned = (body: object, space: string, path?: string) =>
  server.post({ input: 'a', ...body }, { headers: { 'x-nearfield-space': space }, ...(path === undefined ? {} : { path }) })

test('the name an answer gave is accepted by the next request, and by the same one in another output type', async () => {
  const first = await server.post({ input: 'a', output_dimensionality: 256 })
  const space = first.headers.get('x-nearfield-space') ?? ''
  expect(first.json().space).toBe(space)
  const again = await pinned({ output_dimensionality: 256 }, space)
  expect(again.status).toBe(200)
  expect(again.json().embedding).toEqual(first.json().embedding)
  expect((await pinned({ output_dimensionality: 256, output_dtype: 'int8' }, space)).status).toBe(200)
  await expectBooksToBalance(server)
})

test('another model, another size or an older graph is refused with both names and what to do, and nothing is billed', async () => {
  const { space } = (await server.post({ input: 'a' })).json()
  const older = space.replace(/-[0-9a-f]{8}/, '-00000000')
  const short = space.split('/').slice(0, 2).join('/')
  for (const [wanted, body, path] of [
    [older, {}, undefined],
    [short, {}, undefined],
    [space, { output_dimensionality: 768 }, undefined],
    [space, {}, '/v1/all-minilm-l6-v2'],
    ['someone-elses/space', { input: ['a', 'b'] }, undefined],
  ] as const) {
    const answer = await expectNothingBilled(server, () => pinned(body, wanted, path))
    expect(answer.status, wanted).toBe(409)
    expect(answer.json().error).toContain(`"${wanted}"`)
    expect(answer.json().error).toMatch(
      /would be in "all-minilm-l6-v2\/(int8|fp32)-[0-9a-f]{8}\/.*embed its texts again and pin the new name/,
    )
  }
})

test('a name without end is not repeated without end', async () => {
  const answer = await expectNothingBilled(server, () => pinned({}, 'x'.repeat(5_000)))
  expect(answer.status).toBe(409)
  expect(answer.text.length).toBeLessThan(1_000)
})

test('what is wrong with the request is said first', async () => {
  const answer = await expectNothingBilled(server, () => pinned({ output_dimensionality: 5_000 }, 'another/space'))
  expect(answer.status).toBe(400)
})
