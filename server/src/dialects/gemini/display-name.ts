import { violation } from './proto-json.ts'

const charactersMax = 512

/** What people call a file or a batch; an empty name is none. @throws NearfieldError `invalid_request` */
export function checkedDisplayName(name: string | undefined, path: string): string | undefined {
  if (name === undefined || name === '') return undefined
  if (name.length <= charactersMax && !/\p{Cc}/u.test(name)) return name
  throw violation(path, `${path} may have ${charactersMax} characters, and none that cannot be printed.`)
}
