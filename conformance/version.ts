import { readFileSync } from 'node:fs'

const pinned: Readonly<Record<string, string>> = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')).devDependencies

/** The version of a package that this room's package.json pins. */
export function versionOf(name: string): string {
  const version = pinned[name]
  if (version === undefined) throw new RangeError(`${name} is not pinned in conformance/package.json`)
  return version.replace(/^.*@/, '')
}
