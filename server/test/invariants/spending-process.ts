import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { NearfieldError } from '../../src/errors.ts'
import { newCharge, openTestBilling, openTestDatabase, principalOf, spend } from './money-rooms.ts'

// A process that spends: `spending-process.ts <folder or postgres address> <account> <cost> <callers> <requests>`.
// Says `ready`, waits for a line, then prints `paid <request id>` only after a charge is committed, `refused <code>`
// for every other outcome, and `done`. Tests kill it at any moment.

const [place = '', accountId = '', cost = '', callers = '', requests = ''] = process.argv.slice(2)
await using database = await openTestDatabase(place.startsWith('postgres:') ? { url: place } : { folder: place })
await using billing = await openTestBilling(database)
const principal = principalOf(accountId)
let left = Number(requests)
say('ready')
const lines = createInterface({ input: process.stdin })
await once(lines, 'line')
lines.close()
await Promise.all(Array.from({ length: Number(callers) }, keepSpending))
say('done')

async function keepSpending(): Promise<void> {
  while (left-- > 0) {
    const charge = newCharge(BigInt(cost))
    try {
      await spend(billing, principal, charge)
      say(`paid ${charge.requestId}`)
    } catch (error) {
      say(`refused ${error instanceof NearfieldError ? error.code : error}`)
    }
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
