import { Type } from '@fastify/type-provider-typebox'
import { NearfieldError } from '../../errors.ts'
import type { Deployment } from '../../models/model.ts'
import type { ParityReport } from '../../models/parity.ts'
import type { AdminApp } from './admin.ts'
import type { AdminServices } from './services.ts'

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
})
const precision = Type.Union([Type.Literal('fp32'), Type.Literal('int8')])
const graph = Type.Object({ precision, path: Type.String(), sha256: Type.String(), fresh: Type.Boolean() })
const parity = Type.Object({
  precision,
  verdict: Type.Union([Type.Literal('verified'), Type.Literal('failed')]),
  reasons: Type.Array(Type.String()),
  texts: Type.Integer(),
  tokenMismatches: Type.Integer(),
  cosineMean: Type.Number(),
  cosineMin: Type.Number(),
  batchDifferenceMax: Type.Number(),
  spearman: Type.Optional(Type.Number()),
})
const params = Type.Object({ name: Type.String({ maxLength: 100 }) })

/** Lists models, compiles their graphs and proves them against the reference. */
export function registerModels(app: AdminApp, { models }: AdminServices): void {
  const find = (name: string): Deployment => {
    const deployments = models.deployments()
    const found = deployments.find((deployment) => deployment.name === name)
    if (found !== undefined) return found
    throw new NearfieldError(
      'model_not_found',
      `There is no model named "${name}"; choose ${deployments.map((deployment) => deployment.name).join(' or ')}.`,
    )
  }

  app.get('/models', { schema: { response: { 200: Type.Object({ models: Type.Array(model) }) } } }, async () => ({
    models: models.deployments().map(toWire),
  }))

  app.get('/models/:name', { schema: { params, response: { 200: model } } }, async (request) => toWire(find(request.params.name)))

  app.post(
    '/models/:name/compile',
    { schema: { params, response: { 200: Type.Object({ model: Type.String(), graphs: Type.Array(graph) }) } } },
    async (request) => {
      const deployment = find(request.params.name)
      return { model: deployment.model.name, graphs: [...(await models.compile(deployment))] }
    },
  )

  app.post(
    '/models/:name/verify',
    { schema: { params, response: { 200: Type.Object({ model: Type.String(), graphs: Type.Array(parity) }) } } },
    async (request) => {
      const deployment = find(request.params.name)
      return { model: deployment.model.name, graphs: (await models.verify(deployment)).map(parityToWire) }
    },
  )
}

function parityToWire({ reasons, spearman, ...figures }: ParityReport) {
  return { ...figures, reasons: [...reasons], ...(spearman === undefined ? {} : { spearman }) }
}

function toWire(deployment: Deployment) {
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
  }
}
