import { NearfieldError } from '../errors.ts'

/**
 * A failed statement, safe to log. What the driver and Drizzle throw carries the values of the statement in its
 * message, its detail and its parameters, so none of those are kept: only SQLSTATE, constraint and the statement's name.
 */
export class DatabaseError extends NearfieldError {
  readonly statement: string
  /** Five characters of SQLSTATE; `undefined` when no answer came. */
  readonly sqlState: string | undefined
  readonly constraint: string | undefined

  constructor(statement: string, sqlState: string | undefined, constraint: string | undefined) {
    const temporary = sqlState === undefined || isTemporary(sqlState)
    const told = sqlState === undefined ? 'got no answer' : `failed with SQLSTATE ${sqlState}`
    super(temporary ? 'unavailable' : 'internal', temporary ? 'The database did not answer. Try again shortly.' : undefined, {
      cause: new Error(`the statement "${statement}" ${told}${constraint === undefined ? '' : ` on constraint ${constraint}`}`),
    })
    this.statement = statement
    this.sqlState = sqlState
    this.constraint = constraint
  }

  /** True when the statement may have been committed although nobody said so. */
  get outcomeUnknown(): boolean {
    return this.sqlState === undefined || this.sqlState.startsWith('08') || this.sqlState.startsWith('57')
  }
}

/** Strips an error of the driver or of Drizzle down to what may be logged. Errors of ours pass through. */
export function toSafeError(thrown: unknown, statement: string): NearfieldError {
  if (thrown instanceof NearfieldError) return thrown
  const driverError = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  const sqlState = textProperty(driverError, 'code')
  return new DatabaseError(statement, /^[0-9A-Z]{5}$/.test(sqlState ?? '') ? sqlState : undefined, textProperty(driverError, 'constraint'))
}

/** Connection, resources, operator intervention, system, serialization and deadlock: the same statement can succeed later. */
function isTemporary(sqlState: string): boolean {
  return /^(08|53|57|58|40)/.test(sqlState)
}

function textProperty(value: unknown, name: string): string | undefined {
  const property = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof property === 'string' ? property : undefined
}
