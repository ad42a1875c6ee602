import type { Command } from 'commander'
import { openAdmin } from '../admin-client.ts'
import { exitCode } from '../exit-code.ts'
import { isList, isObject } from '../json.ts'
import type { Act, Session } from '../main.ts'
import { renderFacts } from '../output.ts'
import { defaultAccount } from './account.ts'

/** `credits grant|show`. */
export function addCredits(program: Command, act: Act): void {
  const credits = program.command('credits').description('grant and show credits')
  credits
    .command('grant')
    .description('add credit to an account')
    .argument('<dollars>', 'such as 5 or 0.25')
    .option('--account <name>', 'who gets it', defaultAccount)
    .option('--free', 'as free credit, which is spent first')
    .option('--note <text>', 'kept with the ledger entry')
    .action(act(grant))
  credits
    .command('show')
    .description('show what an account can spend, and check the ledger')
    .option('--account <name>', 'whose', defaultAccount)
    .action(act(show))
}

async function grant({ output, environment }: Session, amount: string, options: { account: string; free?: true; note?: string }) {
  await using admin = await openAdmin(environment)
  const credits = await admin.call('POST', '/credits', {
    account: options.account,
    amount,
    kind: options.free === true ? 'free' : 'paid',
    ...(options.note === undefined ? {} : { note: options.note }),
  })
  output.result(credits, renderFacts)
  return exitCode.ok
}

async function show({ output, environment }: Session, options: { account: string }) {
  await using admin = await openAdmin(environment)
  const credits = await admin.call('GET', `/credits?account=${encodeURIComponent(options.account)}`)
  const breaches = isObject(credits.ledger) && isList(credits.ledger.breaches) ? credits.ledger.breaches : []
  output.result(credits, ({ ledger: _, ...facts }) =>
    [renderFacts(facts), ...breaches.map((breach) => `The ledger is wrong: ${breach}`)].join('\n'),
  )
  return breaches.length === 0 ? exitCode.ok : exitCode.failed
}
