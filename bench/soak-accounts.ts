import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import path from 'node:path'

/** An account made for a soak, with the key of its callers. */
export interface SoakAccount {
  readonly name: string
  readonly key: string
}

/** Makes an account with so many dollars of credit over the server's control socket, as the command line would. */
export async function makeAccount(dataDirectory: string, name: string, dollars: string): Promise<SoakAccount> {
  const created = await administer(dataDirectory, 'POST', '/keys', { account: name, createAccount: true, name: 'soak', scopes: ['embed'] })
  await administer(dataDirectory, 'POST', '/credits', { account: name, amount: dollars, kind: 'free' })
  return { name, key: String(created.key) }
}

/** What the server's own check of its ledger finds wrong; empty when all adds up. */
export async function ledgerBreaches(dataDirectory: string, account: string): Promise<readonly string[]> {
  const { ledger } = await administer(dataDirectory, 'GET', `/credits?account=${encodeURIComponent(account)}`)
  const breaches = typeof ledger === 'object' && ledger !== null && 'breaches' in ledger ? ledger.breaches : undefined
  return Array.isArray(breaches) ? breaches.map(String) : ['the server did not report on its ledger']
}

async function administer(
  dataDirectory: string,
  method: 'GET' | 'POST',
  target: string,
  body?: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const { socket } = JSON.parse(await readFile(path.join(dataDirectory, 'control.json'), 'utf8'))
  const payload = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const outgoing = request({ socketPath: socket, method, path: target, headers }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if ((reply.statusCode ?? 500) < 300) resolve(JSON.parse(text))
        else reject(new Error(`${method} ${target} answered ${reply.statusCode}: ${text}`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}
