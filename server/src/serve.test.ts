import { expect, test } from 'vitest'
import { hashingEmbedder, standInServices } from '../test/stand-in-services.ts'
import type { Embedder } from './embedding/embedder.ts'
import type { EmbedRequest } from './embedding/request.ts'
import { NearfieldError } from './errors.ts'
import { type Caller, type Services, serve } from './serve.ts'

const request: EmbedRequest = {
  deployment: 'gemini-embedding-001',
  inputs: ['hello', 'there'],
  taskType: 'TASK_TYPE_UNSPECIFIED',
  dimensions: undefined,
  outputType: 'float',
  truncate: 'end',
}

function caller(signal = new AbortController().signal): Caller {
  const limits = { requestsPerMinute: null, tokensPerMinute: null }
  const principal = { accountId: 'acct_a', keyId: 'key_a', scopes: ['embed'] as const, plan: 'unlimited', limits }
  return { requestId: 'req_a', principal, signal, deadlineMs: Number.POSITIVE_INFINITY, cache: 'use' }
}

/** The stand-in rooms, telling in order what was asked of them. */
function watched(embedder: Embedder = hashingEmbedder) {
  const steps: string[] = []
  const { services, charges } = standInServices({
    run: async (sequences, options) => {
      steps.push('run')
      return embedder.run(sequences, options)
    },
  })
  const { access, billing } = services
  const told: Services = {
    ...services,
    access: {
      ...access,
      authorize: () => void steps.push('authorize'),
      countRequest: (principal) => {
        steps.push('count request')
        return access.countRequest(principal)
      },
      countTokens: (_principal, tokens) => void steps.push(`count ${tokens} tokens`),
    },
    billing: {
      ...billing,
      async reserve(principal, charge) {
        steps.push(`reserve ${charge.cost}`)
        const reservation = await billing.reserve(principal, charge)
        return {
          charge,
          post: () => {
            steps.push('post')
            return reservation.post()
          },
          [Symbol.asyncDispose]: async () => void steps.push('dispose'),
        }
      },
    },
  }
  return { services: told, steps, charges }
}

test('the credit is set aside before the run and charged after it', async () => {
  const { services, steps } = watched()
  const served = await serve(request, caller(), services)
  expect(steps).toEqual(['authorize', 'count request', 'count 14 tokens', 'reserve 2100', 'run', 'post', 'dispose'])
  expect(served).toMatchObject({ tokens: 14, cost: 2100n, model: 'all-minilm-l6-v2', space: 'stand-in/3072' })
  expect(served.vectors.map(({ length }) => length)).toEqual([3072, 3072])
})

test('whoever may not call is not counted, and nothing is run without credit', async () => {
  const { services, steps } = watched()
  const refuse = (code: 'permission_denied' | 'insufficient_credits') => () => {
    throw new NearfieldError(code)
  }
  await expect(
    serve(request, caller(), { ...services, access: { ...services.access, authorize: refuse('permission_denied') } }),
  ).rejects.toThrow()
  expect(steps).toEqual([])
  await expect(
    serve(request, caller(), { ...services, billing: { ...services.billing, reserve: refuse('insufficient_credits') } }),
  ).rejects.toThrow()
  expect(steps).not.toContain('run')
})

test('a failed run is never charged, and its credit is free again', async () => {
  for (const vectors of [[], [new Float32Array(384)], [new Float32Array(384).fill(Number.NaN), new Float32Array(384).fill(1)]]) {
    const { services, steps, charges } = watched({ run: async () => ({ vectors, queueMs: 0, inferMs: 0 }) })
    await expect(serve(request, caller(), services)).rejects.toMatchObject({ code: 'engine_failed' })
    expect(steps.slice(-2)).toEqual(['run', 'dispose'])
    expect(charges).toEqual([])
  }
})

test('a caller who leaves while the charge is being committed gets it taken back', async () => {
  const { services, steps } = watched()
  const patience = new AbortController()
  const endless: Services = {
    ...services,
    billing: {
      ...services.billing,
      async reserve(principal, charge) {
        const reservation = await services.billing.reserve(principal, charge)
        return {
          charge,
          post: () => {
            patience.abort(new NearfieldError('client_closed'))
            return new Promise(() => {})
          },
          [Symbol.asyncDispose]: () => reservation[Symbol.asyncDispose](),
        }
      },
    },
  }
  await expect(serve(request, caller(patience.signal), endless)).rejects.toMatchObject({ code: 'client_closed' })
  expect(steps.at(-1)).toBe('dispose')
})

test('a caller who left before the run is not run for', async () => {
  const { services, steps } = watched()
  await expect(serve(request, caller(AbortSignal.abort(new NearfieldError('client_closed'))), services)).rejects.toMatchObject({
    code: 'client_closed',
  })
  expect(steps).not.toContain('run')
})
