import { runServer } from '@nearfield/server/main'
import type { Command } from 'commander'
import { exitCode } from '../exit-code.ts'
import type { Act, Session } from '../main.ts'

/** `serve`: the same as `npm start`, once everything is installed. */
export function addServe(program: Command, act: Act): void {
  program
    .command('serve')
    .description('run the server until SIGTERM')
    .option('--port <number>', 'where to listen (or PORT)')
    .option('--host <address>', 'on which address (or HOST)')
    .action(act(serve))
}

async function serve({ environment }: Session, options: { port?: string; host?: string }) {
  const laid = {
    ...environment,
    ...(options.port === undefined ? {} : { PORT: options.port }),
    ...(options.host === undefined ? {} : { HOST: options.host }),
  }
  const status = await runServer(laid)
  return status === 0 ? exitCode.ok : status === exitCode.storage ? exitCode.storage : exitCode.failed
}
