import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
/** What boot keeps between runs. Outside node_modules, so it survives a clean install. */
export const cache = path.join(root, '.cache')

const heartbeatMs = 10_000
const outputCharactersMax = 8_000

/** A failure with the one command that fixes it. */
export class BootError extends Error {
  constructor(message, fix) {
    super(message)
    this.fix = fix
  }
}

export function say(line) {
  process.stderr.write(`${line}\n`)
}

/** A function that tells the milliseconds since it was made. */
export function stopwatch() {
  const start = performance.now()
  return () => performance.now() - start
}

export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

/** Runs one step, says when it starts, that it still lives every ten seconds, and how long it took. */
export async function step(title, work) {
  const elapsed = stopwatch()
  say(`${title} …`)
  const heartbeat = setInterval(() => say(`${title} … ${Math.round(elapsed() / 1000)} s`), heartbeatMs)
  try {
    const result = await work()
    say(`${title}: done in ${seconds(elapsed())}`)
    return result
  } finally {
    clearInterval(heartbeat)
  }
}

/** Runs a program quietly. Resolves to its exit status and the end of its output, to be shown only when it failed. */
export function runQuietly(program, arguments_, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, arguments_, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk) => {
      output = (output + chunk).slice(-outputCharactersMax)
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.once('error', reject)
    child.once('close', (code) => resolve({ status: code ?? 1, output: output.trim() }))
  })
}

/**
 * Runs a program in this terminal and resolves to its exit status. SIGTERM and SIGHUP are passed on. SIGINT is passed on
 * only without a terminal: a terminal sends it to the whole group itself, and a server that gets it twice stops hard.
 */
export function runForeground(program, arguments_, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, arguments_, { ...options, stdio: 'inherit' })
    const forward = (signal) => child.kill(signal)
    process.on('SIGTERM', forward)
    process.on('SIGHUP', forward)
    process.on('SIGINT', (signal) => {
      if (!process.stdin.isTTY) forward(signal)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}
