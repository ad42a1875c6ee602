import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BootError, cache, say } from './boot-process.mjs'

const lockPath = path.join(cache, 'boot.lock')
const renewMs = 2_000
const staleMs = 30_000
const pollMs = 200
const waitMsMax = 20 * 60_000

/**
 * Runs `work` while no other boot of this clone does.
 *
 *     free --create--> held --release--> free
 *     held --holder dead, or not renewed for 30 s--> taken over
 *
 * The age counts besides the pid because a new container may give the dead holder's pid to somebody else.
 */
export async function withLock(work) {
  await acquire()
  const renewal = setInterval(renew, renewMs)
  renewal.unref()
  const releaseAndStop = (signal) => {
    release()
    process.kill(process.pid, signal)
  }
  process.once('SIGINT', releaseAndStop)
  process.once('SIGTERM', releaseAndStop)
  try {
    return await work()
  } finally {
    process.off('SIGINT', releaseAndStop)
    process.off('SIGTERM', releaseAndStop)
    clearInterval(renewal)
    release()
  }
}

async function acquire() {
  mkdirSync(cache, { recursive: true })
  const deadline = Date.now() + waitMsMax
  let announced = false
  while (!create()) {
    const holder = readHolder()
    if (holder !== undefined && isStale(holder)) {
      takeAway(holder)
      continue
    }
    if (holder !== undefined && !announced) {
      say(`another npm command (pid ${holder.pid}) is preparing this folder; waiting for it`)
      announced = true
    }
    if (Date.now() > deadline) throw new BootError(`The lock ${lockPath} has been held for too long.`, `rm ${lockPath}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

function create() {
  try {
    writeFileSync(lockPath, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function readHolder() {
  try {
    return { pid: Number(readFileSync(lockPath, 'utf8')), renewedMs: statSync(lockPath).mtimeMs }
  } catch {
    return undefined
  }
}

function isStale({ pid, renewedMs }) {
  if (Date.now() - renewedMs > staleMs) return true
  // An empty file is a holder between creating and writing it.
  if (pid === 0) return false
  return pid === process.pid || !isAlive(pid)
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Two waiters may see the same stale lock; whoever moves a newer one away by mistake puts it back. */
function takeAway(holder) {
  const aside = `${lockPath}.${process.pid}`
  try {
    renameSync(lockPath, aside)
    if (Number(readFileSync(aside, 'utf8')) !== holder.pid) linkSync(aside, lockPath)
  } catch {
    // Somebody else was faster.
  }
  rmSync(aside, { force: true })
}

function renew() {
  try {
    const now = new Date()
    utimesSync(lockPath, now, now)
  } catch {
    // The lock was removed by hand; the work goes on.
  }
}

function release() {
  if (readHolder()?.pid === process.pid) rmSync(lockPath, { force: true })
}
