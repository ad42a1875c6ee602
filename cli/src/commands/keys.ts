import { type Command, Option } from 'commander'
import { openAdmin } from '../admin-client.ts'
import { parseDuration } from '../duration.ts'
import { exitCode } from '../exit-code.ts'
import { type JsonObject, rowsOf } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { renderTable } from '../output.ts'
import { defaultAccount } from './account.ts'

interface CreateOptions {
  readonly account: string
  readonly createAccount?: true
  readonly name: string
  readonly scope: readonly string[]
  readonly expiresIn?: string
}

/** `keys create|list|rotate|revoke`. */
export function addKeys(program: Command, act: Act): void {
  const keys = program.command('keys').description('make, list, rotate and revoke API keys')
  keys
    .command('create')
    .description('make a key and print it, this once')
    .option('--account <name>', 'whose key it is', defaultAccount)
    .option('--create-account', 'make the account when there is none of that name')
    .option('--name <text>', 'what the key is for', 'command line')
    .addOption(new Option('--scope <names...>', 'what it may do').choices(['embed', 'metrics', 'admin']).default(['embed']))
    .option('--expires-in <duration>', 'how long it lives, such as 90d')
    .action(act(create))
  keys
    .command('list')
    .description('list keys, without their secrets')
    .option('--account <name>', 'of this account only')
    .option('--all', 'revoked and expired ones too')
    .action(act(list))
  keys
    .command('rotate')
    .description('make a successor; the old key works until the overlap is over')
    .argument('<id>', 'the handle, key_…')
    .option('--overlap <duration>', 'how long both work', '24h')
    .action(act(rotate))
  keys.command('revoke').description('end a key now').argument('<id>', 'the handle, key_…').action(act(revoke))
}

async function create({ output, environment }: Session, options: CreateOptions) {
  const expiresAt = options.expiresIn === undefined ? null : new Date(Date.now() + parseDuration(options.expiresIn)).toISOString()
  await using admin = await openAdmin(environment)
  const created = await admin.call('POST', '/keys', {
    account: options.account,
    // On a fresh data folder even the first account does not exist yet.
    createAccount: options.createAccount === true || options.account === defaultAccount,
    name: options.name,
    scopes: [...options.scope],
    expiresAt,
  })
  output.note(`Key ${created.id} of account ${created.account}. It is shown this once; store it now.`)
  output.result(created, secretAlone)
  return exitCode.ok
}

async function list({ output, environment }: Session, options: { account?: string; all?: true }) {
  await using admin = await openAdmin(environment)
  const query = options.account === undefined ? '' : `?account=${encodeURIComponent(options.account)}`
  const reply = await admin.call('GET', `/keys${query}`)
  const now = new Date().toISOString()
  const keys = rowsOf(reply, 'keys')
    .map((key) => ({ ...key, state: stateOf(key, now) }))
    .filter(({ state }) => options.all === true || state === 'active')
  output.result({ keys }, () =>
    renderTable(keys, ['id', 'account', 'name', 'ending', 'scopes', 'state', 'createdAt', 'expiresAt', 'lastUsedAt']),
  )
  return exitCode.ok
}

async function rotate({ output, environment }: Session, id: string, options: { overlap: string }) {
  const overlapSeconds = parseDuration(options.overlap) / 1000
  await using admin = await openAdmin(environment)
  const created = await admin.call('POST', `/keys/${encodeURIComponent(id)}/rotate`, { overlapSeconds })
  output.note(`Key ${created.id} replaces ${id}, which works for another ${options.overlap}. It is shown this once; store it now.`)
  output.result(created, secretAlone)
  return exitCode.ok
}

async function revoke({ output, environment }: Session, id: string) {
  await using admin = await openAdmin(environment)
  const revoked = await admin.call('POST', `/keys/${encodeURIComponent(id)}/revoke`)
  output.result(revoked, () => `Key ${id} is revoked.`)
  return exitCode.ok
}

/** So that `KEY=$(nearfield keys create)` holds the key and nothing else. */
function secretAlone(created: JsonObject): string {
  return String(created.key)
}

/** Times of one format in UTC compare as text. */
function stateOf(key: JsonObject, now: string): string {
  if (key.revokedAt !== null) return 'revoked'
  return typeof key.expiresAt === 'string' && key.expiresAt <= now ? 'expired' : 'active'
}
