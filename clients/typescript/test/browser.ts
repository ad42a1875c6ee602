import { accessSync, constants } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { type Browser, chromium, type LaunchOptions } from 'playwright-core'

const cache = path.resolve(import.meta.dirname, '../../../.cache/browser')
const systemNames = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'msedge']

type Candidate = readonly [name: string, find: () => Promise<LaunchOptions | undefined>]

/**
 * A real browser without a window: the one that CHROME_BIN names, the one that npm brought, or one of this machine.
 * @throws Error that says why each of them is none
 */
export async function launchBrowser(): Promise<Browser> {
  const reasons: string[] = []
  for (const [name, find] of candidates) {
    try {
      const options = await find()
      if (options === undefined) reasons.push(`${name}: there is none`)
      // Of the flags only what a machine without a screen or a user of its own needs: none that loosens the rules of the web.
      else return await chromium.launch({ headless: true, chromiumSandbox: false, args: ['--disable-gpu'], ...options })
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`)
    }
  }
  throw new Error(`No browser starts here. Set CHROME_BIN, or install chromium. ${reasons.join('; ')}.`)
}

const candidates: readonly Candidate[] = [
  ['CHROME_BIN', async () => (process.env.CHROME_BIN ? { executablePath: process.env.CHROME_BIN } : undefined)],
  ['the browser from npm', browserOfNpm],
  ['a browser on the PATH', async () => browserOnPath()],
]

/** A build for Linux on x64, with the libraries that a bare machine lacks. It unpacks itself once. */
async function browserOfNpm(): Promise<LaunchOptions | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  await mkdir(cache, { recursive: true })
  const { TMPDIR, AWS_LAMBDA_JS_RUNTIME, LD_LIBRARY_PATH, FONTCONFIG_PATH, HOME } = process.env
  const before = { TMPDIR, AWS_LAMBDA_JS_RUNTIME, LD_LIBRARY_PATH, FONTCONFIG_PATH, HOME }
  try {
    // Where it unpacks to, and that the libraries are wanted, it reads from here alone. Its own flags are never used.
    Object.assign(process.env, { TMPDIR: cache, AWS_LAMBDA_JS_RUNTIME: 'nodejs24.x' })
    const { default: packed } = await import('@sparticuz/chromium')
    const executablePath = await packed.executablePath()
    const environment = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const libraries = { LD_LIBRARY_PATH: path.join(cache, 'al2023/lib'), FONTCONFIG_PATH: path.join(cache, 'fonts') }
    return { executablePath, env: { ...Object.fromEntries(environment), ...libraries } }
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

function browserOnPath(): LaunchOptions | undefined {
  for (const name of systemNames) {
    for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
      const executablePath = path.join(folder, name)
      try {
        accessSync(executablePath, constants.X_OK)
        return { executablePath }
      } catch {}
    }
  }
  return undefined
}
