import { Type } from '@fastify/type-provider-typebox'
import type { AdminApp } from './admin.ts'
import type { AdminServices } from './services.ts'
import { instant } from './wire.ts'

const status = Type.Object({
  pid: Type.Integer(),
  node: Type.String(),
  url: Type.Union([Type.String(), Type.Null()]),
  ready: Type.Boolean(),
  startedAt: instant,
  database: Type.String(),
  migrated: Type.Integer(),
  precision: Type.Union([Type.String(), Type.Null()]),
  replicas: Type.Integer(),
})

/** What this process is doing. */
export function registerStatus(app: AdminApp, services: AdminServices): void {
  app.get('/status', { schema: { response: { 200: status } } }, async () => {
    const { startedAtMs, ...rest } = await services.status()
    return { pid: process.pid, node: process.version, startedAt: new Date(startedAtMs).toISOString(), ...rest }
  })
}
