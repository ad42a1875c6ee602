import { Type } from '@fastify/type-provider-typebox'
import { NearfieldError } from '../../errors.ts'
import type { HostedStatus } from '../../inference/model-host.ts'
import type { Deployment } from '../../models/model.ts'
import type { ParityReport } from '../../models/parity.ts'
import type { AdminApp } from './admin.ts'
import type { AdminServices, ModelMemory } from './services.ts'

const model = Type.Object({
  name: Type.String(),
  servedBy: Type.String(),
  standIn: Type.Boolean(),
  description: Type.String(),
  licence: Type.String(),
  dimensions: Type.Object({ min: Type.Integer(), max: Type.Integer(), default: Type.Integer() }),
  inputTokensMax: Type.Integer(),
  windowTokens: Type.Integer(),
  longInputs: Type.String(),
  state: Type.String({ description: 'cold, loading, warm, unloading or failed; offline where no server runs.' }),
  pinned: Type.Boolean(),
  replicas: Type.Integer(),
  bytes: Type.Integer(),
  trouble: Type.Union([Type.String(), Type.Null()]),
})
const precision = Type.Union([Type.Literal('fp32'), Type.Literal('int8'), Type.Literal('onnx')])
const graph = Type.Object({ precision, path: Type.String(), sha256: Type.String(), fresh: Type.Boolean() })
const parity = Type.Object({
  precision,
  verdict: Type.Union([Type.Literal('verified'), Type.Literal('unverified'), Type.Literal('failed')]),
  against: Type.Union([Type.Literal('reference'), Type.Literal('own'), Type.Literal('nothing')]),
  reasons: Type.Array(Type.String()),
  texts: Type.Integer(),
  tokenMismatches: Type.Integer(),
  cosineMean: Type.Union([Type.Number(), Type.Null()]),
  cosineMin: Type.Union([Type.Number(), Type.Null()]),
  batchDifferenceMax: Type.Number(),
  spearman: Type.Optional(Type.Number()),
})
const params = Type.Object({ name: Type.String({ maxLength: 100 }) })
const actParams = Type.Object({
  name: Type.String({ maxLength: 100 }),
  act: Type.Union([Type.Literal('load'), Type.Literal('unload'), Type.Literal('pin'), Type.Literal('unpin')]),
})

/** Lists models, loads and unloads them, compiles their graphs and proves them against the reference. */
export function registerModels(app: AdminApp, { models }: AdminServices): void {
  const find = async (name: string): Promise<Deployment> => {
    const deployments = await models.deployments()
    const found = deployments.find((deployment) => deployment.name === name)
    if (found !== undefined) return found
    const names = deployments.map((deployment) => deployment.name).join(' or ')
    throw new NearfieldError('model_not_found', `There is no model named "${name}"; choose ${names}.`)
  }
  const show = (deployment: Deployment) =>
    toWire(
      deployment,
      models.host?.status().find(({ name }) => name === deployment.model.name),
    )

  app.get('/models', { schema: { response: { 200: Type.Object({ models: Type.Array(model) }) } } }, async () => ({
    models: (await models.deployments()).map(show),
  }))

  app.get('/models/:name', { schema: { params, response: { 200: model } } }, async (request) => show(await find(request.params.name)))

  app.post(
    '/models/:name/compile',
    { schema: { params, response: { 200: Type.Object({ model: Type.String(), graphs: Type.Array(graph) }) } } },
    async (request) => {
      const deployment = await find(request.params.name)
      return { model: deployment.model.name, graphs: [...(await models.compile(deployment))] }
    },
  )

  app.post(
    '/models/:name/verify',
    { schema: { params, response: { 200: Type.Object({ model: Type.String(), graphs: Type.Array(parity) }) } } },
    async (request) => {
      const deployment = await find(request.params.name)
      return { model: deployment.model.name, graphs: (await models.verify(deployment)).map(parityToWire) }
    },
  )

  app.post('/models/:name/:act', { schema: { params: actParams, response: { 200: model } } }, async ({ params: { name, act } }) => {
    const deployment = await find(name)
    const { host } = models
    if (host === undefined) throw new NearfieldError('unavailable', 'No server runs on this data folder, so no model is in memory.')
    await acts[act](host, deployment.model.name)
    return show(deployment)
  })
}

const acts = {
  load: (host: ModelMemory, model: string) => host.load(model),
  unload: (host: ModelMemory, model: string) => host.unload(model),
  pin: async (host: ModelMemory, model: string) => {
    host.pin(model, true)
    await host.load(model)
  },
  unpin: async (host: ModelMemory, model: string) => host.pin(model, false),
}

function parityToWire({ reasons, cosineMean, cosineMin, spearman, ...figures }: ParityReport) {
  const cosines = { cosineMean: cosineMean ?? null, cosineMin: cosineMin ?? null }
  return { ...figures, ...cosines, reasons: [...reasons], ...(spearman === undefined ? {} : { spearman }) }
}

function toWire(deployment: Deployment, status: HostedStatus<unknown> | undefined) {
  return {
    name: deployment.name,
    servedBy: deployment.model.name,
    standIn: deployment.standIn,
    description: deployment.model.description,
    licence: deployment.model.licence,
    dimensions: { min: deployment.dimensionsMin, max: deployment.dimensionsMax, default: deployment.dimensionsDefault },
    inputTokensMax: deployment.inputTokensMax,
    windowTokens: deployment.model.windowTokens,
    longInputs: deployment.longInputs,
    state: status?.state ?? 'offline',
    pinned: status?.pinned ?? false,
    replicas: status?.footprint.replicas ?? 0,
    bytes: Math.round(status?.footprint.bytes ?? 0),
    trouble: status?.failure?.error.message ?? null,
  }
}
