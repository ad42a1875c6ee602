#!/usr/bin/env node
// The check stands apart from the rest, because an older Node cannot even read the rest.
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `nearfield needs Node 24 or newer, this is ${process.version}. In a clone of the repository run: npm run nearfield -- <command>\n`,
  )
  process.exitCode = 1
} else {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  await import('../../scripts/quick-imports.mjs')
  const { main } = await import('../src/main.ts')
  process.exitCode = await main(process.argv.slice(2), process.env)
}
