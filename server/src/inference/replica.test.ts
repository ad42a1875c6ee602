import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { testGraph } from '../../test/model-graphs.ts'
import { BatchFailedError, Replica, ReplicaLostError } from './replica.ts'

let graphFile: string

beforeAll(async () => {
  graphFile = (await testGraph('int8')).graphPath
})

const launch = (options: Partial<ConstructorParameters<typeof Replica>[0]> = {}) =>
  new Replica({ graphFile, threads: 1, startTimeoutMs: 60_000, watchdogMs: 60_000, ...options })
const hello = Int32Array.of(101, 7592, 102)

function processIsThere(id: number): boolean {
  try {
    return process.kill(id, 0)
  } catch {
    return false
  }
}

describe('a replica', () => {
  it('finishes every batch it was given before it stops, and ends with exit code 0', async () => {
    const replica = launch()
    await replica.ready
    const answers = Array.from({ length: 20 }, () => replica.run([hello, hello]))
    const stopped = replica.stop(60_000)
    await expect(replica.run([hello])).rejects.toThrow(ReplicaLostError)
    for (const { vectors } of await Promise.all(answers)) expect(vectors.map((vector) => vector.length)).toEqual([384, 384])
    await stopped
    expect(await replica.gone).toBe('exit code 0')
  })

  it('rejects what it had not answered when it dies', async () => {
    const replica = launch()
    await replica.ready
    const answers = Array.from({ length: 5 }, () => expect(replica.run([new Int32Array(256).fill(5)])).rejects.toThrow(ReplicaLostError))
    replica.kill('the test says so')
    await Promise.all(answers)
    expect(await replica.gone).toBe('signal SIGKILL; the test says so')
    expect(replica.outstanding).toBe(0)
  })

  it('survives a batch that onnxruntime refuses, and tells nothing of its tokens', async () => {
    const replica = launch()
    await replica.ready
    const refusal = await replica.run([Int32Array.of(101, 987_654_321, 102)]).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(BatchFailedError)
    expect(String(refusal)).not.toContain('987654321')
    await expect(replica.run([hello])).resolves.toBeDefined()
    await replica.stop(60_000)
    expect(await replica.gone).toBe('exit code 0')
  })

  it('is killed when it hangs while it stops or starts', async () => {
    const stopping = launch()
    await stopping.ready
    process.kill(stopping.processId ?? 0, 'SIGSTOP')
    await stopping.stop(100)
    expect(await stopping.gone).toContain('it did not stop in time')
    const starting = launch({ startTimeoutMs: 300 })
    process.kill(starting.processId ?? 0, 'SIGSTOP')
    await expect(starting.ready).rejects.toThrow('it did not load its graph in time')
  })

  it('says why it could not start', async () => {
    const replica = launch({ graphFile: path.join(tmpdir(), 'there-is-no-such.onnx') })
    await expect(replica.ready).rejects.toThrow("File doesn't exist")
  })

  it('ends when its server is killed, even in the middle of a batch', async () => {
    const program = `
      const { Replica } = await import(${JSON.stringify(new URL('./replica.ts', import.meta.url))})
      const replica = new Replica({ graphFile: ${JSON.stringify(graphFile)}, threads: 1, startTimeoutMs: 60000, watchdogMs: 60000 })
      await replica.ready
      const busy = () => replica.run(Array.from({ length: 8 }, () => new Int32Array(64).fill(5))).then(busy)
      void busy()
      console.log(replica.processId)
    `
    const server = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(server.stdout, 'data')
    const replicaId = Number(String(line))
    expect(processIsThere(replicaId)).toBe(true)
    server.kill('SIGKILL')
    await vi.waitUntil(() => !processIsThere(replicaId), { timeout: 30_000 })
  })

  it('leaves an interrupt from the terminal to its server', async () => {
    const replica = launch()
    await replica.ready
    process.kill(replica.processId ?? 0, 'SIGINT')
    process.kill(replica.processId ?? 0, 'SIGTERM')
    await expect(replica.run([hello])).resolves.toBeDefined()
    await replica.stop(60_000)
    expect(await replica.gone).toBe('exit code 0')
  })
})
