import type { Command } from 'commander'
import { examine, type Finding } from '../examine.ts'
import { exitCode } from '../exit-code.ts'
import type { Act, Session } from '../main.ts'

const marks = { ok: 'ok  ', warning: 'warn', failed: 'FAIL' } as const

/** `doctor`: what is wrong on this machine and what to do about it. */
export function addDoctor(program: Command, act: Act): void {
  program.command('doctor').description('check Node, disk, port, model, database and server, and say what to do').action(act(doctor))
}

async function doctor({ output, environment }: Session) {
  const findings = await examine(environment)
  const healthy = findings.every(({ verdict }) => verdict !== 'failed')
  output.result({ healthy, findings: findings.map((finding) => ({ ...finding })) }, () => findings.map(render).join('\n'))
  return healthy ? exitCode.ok : exitCode.failed
}

function render({ check, verdict, finding, advice }: Finding): string {
  const line = `${marks[verdict]}  ${check.padEnd(11)}  ${finding}`
  return advice === null ? line : `${line}\n${' '.repeat(19)}-> ${advice}`
}
