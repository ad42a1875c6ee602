import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import type { Principal, Scope } from './principal.ts'

/** @throws NearfieldError `permission_denied` when the key may not call models */
export function authorize(principal: Principal, _deployment: Deployment): void {
  requireScope(principal, 'embed')
}

/** @throws NearfieldError `permission_denied` */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope)) return
  if (scope === 'metrics' && principal.scopes.includes('admin')) return
  throw new NearfieldError('permission_denied', `This API key lacks the scope "${scope}". Use a key that has it, or create one.`)
}
