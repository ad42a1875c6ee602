import { expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { ModelHost } from './inference/model-host.ts'
import { deploymentsOf } from './models/catalogue.ts'
import { type GatedEngine, HostedModels, type ModelSupply } from './served-models.ts'

const [deployment] = deploymentsOf({ standIn: false })
if (deployment === undefined) throw new Error('the catalogue is empty')
const second = { ...deployment, name: 'second', model: { ...deployment.model, name: 'second' } }

/** Names over a host that loads nothing, on a clock that the test moves. */
function modelsOf(look: () => Promise<ModelSupply>) {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, now: () => clock.nowMs }
  const trouble: unknown[] = []
  const never = () => Promise.reject(new Error('nothing is loaded here'))
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const host = new ModelHost<GatedEngine>({ limits: readConfig({}).config.hosting, load: never, measure: never, clock, log })
  const loaded = () => {
    throw new Error('nothing is loaded here')
  }
  const models = new HostedModels({ host, look, loaded, lookAgainMs: 1_000, clock, onTrouble: (error) => trouble.push(error) })
  return { models, clock, trouble }
}

function supply(...deployments: readonly (typeof second)[]): ModelSupply {
  const offers = deployments.map(({ name }) => ({ name, version: '1', bytesPerReplica: 1, replicas: 1, pinned: false }))
  return { deployments, offers }
}

test('a name that is not known is looked for once in a while, however often it is asked for', async () => {
  let [looks, installed] = [0, supply(deployment)]
  const { models, clock } = modelsOf(async () => {
    looks++
    return installed
  })
  await models.look()
  installed = supply(deployment, second)
  for (let time = 0; time < 5; time++) await expect(models.find('second')).rejects.toMatchObject({ code: 'model_not_found' })
  clock.nowMs = 1_000
  const found = await Promise.all([models.find('second'), models.find('second'), models.find('second')])
  expect(found.map((model) => model.deployment.name)).toEqual(['second', 'second', 'second'])
  expect(looks).toBe(2)
})

test('when the store cannot be read, what was known is served on, and the owner hears of it', async () => {
  let broken = false
  const { models, clock, trouble } = modelsOf(async () => {
    if (broken) throw new Error('the disk is gone')
    return supply(deployment)
  })
  await models.look()
  broken = true
  clock.nowMs = 2_000
  await models.lookAgain()
  expect(trouble).toEqual([new Error('the disk is gone')])
  expect((await models.find(deployment.name)).deployment).toBe(deployment)
  expect(models.list()).toMatchObject([{ state: 'cold', space: undefined }])
})
