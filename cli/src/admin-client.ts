import { request } from 'node:http'
import { buildAdminApp, openContext, readConfig, readControlAddress } from '@nearfield/server/main'
import { CommandError } from './exit-code.ts'
import { isObject, type JsonObject, parseJsonObject } from './json.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The admin routes, wherever they are served. */
export interface Admin extends AsyncDisposable {
  /** True when a running server answers, false when this process opened the data itself. */
  readonly running: boolean
  /** @throws CommandError with the server's sentence when it refuses */
  call(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<JsonObject>
}

interface Reply {
  readonly status: number
  readonly text: string
}

const statusTimeoutMs = 5_000

/**
 * The running server of the data folder if there is one, else the data folder itself, opened in this process: the
 * embedded database allows one process, so nothing else would do. Both speak the same routes.
 */
export async function openAdmin(environment: Environment): Promise<Admin> {
  return (await findRunning(environment)) ?? openHere(environment)
}

/** The running server of the data folder, `undefined` when none answers. */
export async function findRunning(environment: Environment): Promise<Admin | undefined> {
  const address = await readControlAddress(readConfig(environment).config.dataDirectory)
  if (address === undefined) return undefined
  const send = (method: string, path: string, body?: JsonObject) => overSocket(address.socket, method, path, body)
  const answers = await send('GET', '/status').then(
    ({ status }) => status === 200,
    () => false,
  )
  return answers ? { running: true, call: refusing(send), [Symbol.asyncDispose]: async () => undefined } : undefined
}

async function openHere(environment: Environment): Promise<Admin> {
  // What a server would log, a command says in its result.
  const context = await openContext({ NEARFIELD_LOG_LEVEL: 'error', ...environment })
  const app = buildAdminApp(context.admin)
  const send = async (method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<Reply> => {
    const reply = await app.inject({ method, url: path, ...(body === undefined ? {} : { payload: body }) })
    return { status: reply.statusCode, text: reply.body }
  }
  return {
    running: false,
    call: refusing(send),
    async [Symbol.asyncDispose]() {
      await app.close()
      await context[Symbol.asyncDispose]()
    },
  }
}

function refusing(send: (method: 'GET' | 'POST', path: string, body?: JsonObject) => Promise<Reply>): Admin['call'] {
  return async (method, path, body) => {
    const { status, text } = await send(method, path, body)
    const reply = parseJsonObject(text)
    if (status < 300) return reply
    const error = reply.error
    throw new CommandError(
      isObject(error) && typeof error.message === 'string' ? error.message : `The server refused with status ${status}.`,
    )
  }
}

function overSocket(socketPath: string, method: string, path: string, body: JsonObject | undefined): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const outgoing = request({ socketPath, method, path, headers: { host: 'nearfield', ...headers } }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    // Only the first question has a limit: compiling and verifying take as long as they take.
    if (path === '/status') outgoing.setTimeout(statusTimeoutMs, () => outgoing.destroy(new Error('no answer')))
    outgoing.end(payload)
  })
}
