import type { Command } from 'commander'
import { openAdmin } from '../admin-client.ts'
import { exitCode } from '../exit-code.ts'
import type { Act, Session } from '../main.ts'

/** `migrate`: opening the database migrates it, so this opens it and says what happened. */
export function addMigrate(program: Command, act: Act): void {
  program.command('migrate').description("bring the database to this version's schema").action(act(migrate))
}

async function migrate({ output, environment }: Session) {
  await using admin = await openAdmin(environment)
  const status = await admin.call('GET', '/status')
  const result = { database: status.database ?? null, migrated: admin.running ? 0 : (status.migrated ?? null), running: admin.running }
  output.result(result, ({ database, migrated, running }) => {
    if (running) return `The ${database} database is up to date: the running server migrated it when it started.`
    return migrated === 0
      ? `The ${database} database is up to date.`
      : `The ${database} database was brought up to date: ${migrated} migrations.`
  })
  return exitCode.ok
}
