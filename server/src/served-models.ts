import { NearfieldError } from './errors.ts'
import type { Deployment } from './models/model.ts'
import type { LoadedModel, Models, ServedModel } from './serve.ts'

/** The names callers can ask for. */
export function servedModels(models: readonly ServedModel[]): Models {
  const byName = new Map(models.map((model) => [model.deployment.name, model]))
  return {
    find(name) {
      const model = byName.get(name)
      if (model !== undefined) return model
      throw new NearfieldError('model_not_found', `There is no model "${name}" here. There are: ${[...byName.keys()].join(', ')}.`)
    },
    list: () => models.map(({ deployment }) => deployment),
  }
}

/** A name whose model is never unloaded. */
export function alwaysLoaded(deployment: Deployment, model: LoadedModel): ServedModel {
  const lease = { ...model, [Symbol.dispose]: () => {} }
  return { deployment, lease: () => lease }
}
