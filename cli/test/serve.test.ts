import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { expect, test } from 'vitest'
import { freshDataFolder } from '../../server/test/data-folder.ts'
import { shareCompiledModels } from '../../server/test/shared-models.ts'

const bin = path.resolve(import.meta.dirname, '../bin/nearfield.mjs')

test.each(['SIGTERM', 'SIGINT'] as const)(
  'a %s that comes twice, as to a whole process group, still drains and exits 0',
  async (signal) => {
    await using folder = await freshDataFolder()
    await shareCompiledModels(folder.path)
    const environment = { ...process.env, NEARFIELD_DATA_DIR: folder.path, NEARFIELD_REPLICAS: '1' }
    const child = spawn(process.execPath, [bin, 'serve', '--port', '0'], { env: environment, stdio: ['ignore', 'pipe', 'ignore'] })
    let output = ''
    for await (const chunk of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      output += chunk
      if (output.includes('Nearfield serves http')) break
    }
    child.stdout.resume()
    child.kill(signal)
    child.kill(signal)
    const [code, endedBy] = await once(child, 'close')
    expect({ code, endedBy }).toEqual({ code: 0, endedBy: null })
  },
)
