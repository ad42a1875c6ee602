import { startServer } from '@nearfield/server/main'
import { type Admin, type Environment, findRunning } from './admin-client.ts'
import { defaultAccount } from './commands/account.ts'
import type { Server } from './embed-client.ts'
import { CommandError, exitCode } from './exit-code.ts'

export interface Wish {
  readonly url: string | undefined
  readonly key: string | undefined
}

const keyLifeMs = 24 * 3_600_000

/**
 * A server to call and a key to call it with. On this machine that is the running server, or one started for this
 * command on a free port; its owner needs no key: one is made, and revoked at the end.
 * @throws CommandError when a server elsewhere is named without a key
 */
export async function borrowServer(
  environment: Environment,
  wish: Wish,
  tell: (sentence: string) => void,
): Promise<Server & AsyncDisposable> {
  if (wish.url !== undefined) {
    if (wish.key === undefined)
      throw new CommandError('A server elsewhere needs a key: add --key, or set NEARFIELD_API_KEY.', exitCode.usage)
    if (!URL.canParse(wish.url))
      throw new CommandError(`--url is "${wish.url}"; it must be an address such as http://host:8080.`, exitCode.usage)
    return { url: wish.url, key: wish.key, [Symbol.asyncDispose]: async () => undefined }
  }
  await using stack = new AsyncDisposableStack()
  let admin: Admin | undefined = await findRunning(environment)
  if (admin === undefined) {
    const server = stack.use(await startServer({ ...environment, PORT: '0', HOST: '127.0.0.1' }, { quiet: true }))
    if (server.firstKey !== undefined) tell(`This was the first start. Your API key, shown this once: ${server.firstKey.secret}`)
    admin = await findRunning(environment)
  }
  if (admin === undefined) throw new CommandError('The server started for this command does not answer on its control socket.')
  const { url } = await admin.call('GET', '/status')
  if (typeof url !== 'string') throw new CommandError('The running process serves no requests yet; try again in a moment.')
  const key = wish.key ?? (await borrowKey(admin, stack))
  const owned = stack.move()
  return { url, key, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function borrowKey(admin: Admin, stack: AsyncDisposableStack): Promise<string> {
  const created = await admin.call('POST', '/keys', {
    account: defaultAccount,
    name: 'nearfield embed',
    scopes: ['embed'],
    // In case this process is killed before it can revoke it.
    expiresAt: new Date(Date.now() + keyLifeMs).toISOString(),
  })
  stack.defer(async () => void (await admin.call('POST', `/keys/${created.id}/revoke`)))
  return String(created.key)
}
