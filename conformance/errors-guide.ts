import { type Client, type ErrorKind, errorKinds, type SeenError } from './client.ts'
import { refusals } from './refusals.ts'

type Errors = ReadonlyMap<Client, ReadonlyMap<ErrorKind, SeenError>>

const introduction = `# What each client throws

Written by the conformance suite (\`npm run conformance -- -u\`) from what the packages threw, and held by it.

| In a cell | Means |
|---|---|
| \`split\` | the client makes several calls of more texts than one may have |
| \`shortened\` | the dialect cuts a text that is too long, as its own service does |
| \`n/a\` | users of the client cannot bring the error about |
| \`HttpError\` | a recorded request: the bytes that a client in another language sends, whose own error is not seen here |

Below the table are the words of each dialect, which every client shows, some with more around them. Numbers that change from request to
request are \`N\`.
`

/** The guide to errors, from what every client threw. */
export function errorsGuide(clients: readonly Client[], errors: Errors): string {
  const rows = clients.map((client) => [
    `\`${client.name}\``,
    ...errorKinds.map((kind) => cellOf(client, kind, errors.get(client)?.get(kind))),
  ])
  const table = [['client', ...errorKinds], ['---', ...errorKinds.map(() => '---')], ...rows]
  return `${introduction}\n${table.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n${errorKinds.map((kind) => wordsOf(clients, kind, errors)).join('')}`
}

function cellOf(client: Client, kind: ErrorKind, error: SeenError | undefined): string {
  if (error === undefined) {
    if (refusals[client.speaks][kind] === 'shortened') return 'shortened'
    return client.splits && kind === 'too many' ? 'split' : 'n/a'
  }
  return error.status === undefined ? `\`${error.name}\`` : `\`${error.name}\` ${error.status}`
}

/** What each dialect says, without what a client puts around it: the shortest message that one of its clients showed. */
function wordsOf(clients: readonly Client[], kind: ErrorKind, errors: Errors): string {
  const lines = [...new Set(clients.map(({ speaks }) => speaks))].flatMap((dialect) => {
    const messages = clients.filter(({ speaks }) => speaks === dialect).flatMap((client) => errors.get(client)?.get(kind)?.message ?? [])
    const [shortest] = messages.toSorted((left, right) => left.length - right.length)
    return shortest === undefined ? [] : [`${dialect.padEnd(8)} ${withoutChangingParts(shortest)}`]
  })
  return `\n## ${kind}\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`
}

function withoutChangingParts(message: string): string {
  return message
    .replace(/\breq_\w+/g, 'req_N')
    .replace(/\b\d+(\.\d+)?(?= ?s\b)/g, 'N')
    .replace(/ +$/gm, '')
}
