import { readFileSync } from 'node:fs'

/** A setting the server cannot start with. The message says which, what it was and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export type Environment = Readonly<Record<string, string | undefined>>

export const onOff = ['on', 'off'] as const

export function wholeNumber(environment: Environment, name: string, fallback: number, least: number, most: number): number {
  const text = environment[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new ConfigError(`${name} is "${text}"; it must be a whole number from ${least} to ${most}. Leave it out for ${fallback}.`)
}

export function oneOf<const Choice extends string>(
  environment: Environment,
  name: string,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  const text = environment[name]
  if (text === undefined || text === '') return fallback
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  throw new ConfigError(`${name} is "${text}"; it must be one of ${choices.join(', ')}. Leave it out for ${fallback}.`)
}

export function names(text: string): readonly string[] {
  return text.split(',').flatMap((name) => name.trim() || [])
}

/** A list such as `text-embedding-3-small=all-minilm-l6-v2`. */
export function namesByName(environment: Environment, variable: string): ReadonlyMap<string, string> {
  const entries = names(environment[variable] ?? '').map((entry) => {
    const [, alias, name] = /^([^=\s]+)\s*=\s*([^=\s]+)$/.exec(entry) ?? []
    if (alias !== undefined && name !== undefined) return [alias, name] as const
    throw new ConfigError(`${variable} holds "${entry}"; every entry must be a name, "=" and a model, such as ada=all-minilm-l6-v2.`)
  })
  return new Map(entries)
}

/** A list such as `bge-m3=1,e5-small-v2=4`. */
export function countsByName(environment: Environment, variable: string, most: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const entry of names(environment[variable] ?? '')) {
    const [, name = '', digits = ''] = /^([^=\s]+)\s*=\s*(\d{1,4})$/.exec(entry) ?? []
    const count = Number(digits)
    if (count < 1 || count > most) {
      throw new ConfigError(
        `${variable} holds "${entry}"; every entry must be a model, "=" and a number from 1 to ${most}, such as bge-m3=1.`,
      )
    }
    counts.set(name, count)
  }
  return counts
}

/**
 * A list of secrets, from a variable or from the file that `<variable>_FILE` names, separated by commas or lines. They are
 * never repeated.
 * @throws ConfigError when the file cannot be read, both are given, or a character is one that no key has
 */
export function secretList(environment: Environment, variable: string): readonly string[] {
  const inline = environment[variable] ?? ''
  const file = environment[`${variable}_FILE`] ?? ''
  if (inline !== '' && file !== '') throw new ConfigError(`${variable} and ${variable}_FILE are both given; leave one of them out.`)
  const secrets = (file === '' ? inline : readSecretFile(file, variable)).split(/[,\n]/).flatMap((secret) => secret.trim() || [])
  if (secrets.every((secret) => /^[\x21-\x7e]+$/.test(secret))) return [...new Set(secrets)]
  throw new ConfigError(`${variable} has a character that no key has, such as a space within one.`)
}

function readSecretFile(file: string, variable: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new ConfigError(`${variable}_FILE names a file that cannot be read.`)
  }
}

/** One http address without a slash at the end; `undefined` where none is given. @throws ConfigError */
export function address(environment: Environment, variable: string): string | undefined {
  const [only, ...more] = addresses(environment, variable)
  if (more.length > 0) throw new ConfigError(`${variable} holds ${more.length + 1} addresses; it must be one.`)
  return only
}

/** A list of http addresses without a slash at the end. @throws ConfigError */
export function addresses(environment: Environment, variable: string): readonly string[] {
  return names(environment[variable] ?? '').map((address) => {
    // An address may hold a password, so the message does not repeat it.
    if (!/^https?:\/\//.test(address) || !URL.canParse(address)) {
      throw new ConfigError(`${variable} holds an entry that is not an http:// or https:// address.`)
    }
    const { username, password, search, hash } = new URL(address)
    if (username !== '' || password !== '' || search !== '' || hash !== '') {
      throw new ConfigError(`${variable} holds an address with a user, a password or a question mark; keys have settings of their own.`)
    }
    return address.replace(/\/+$/, '')
  })
}
