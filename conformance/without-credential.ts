/** A function in place of `fetch`, which is how users of many clients change what is sent. It sends the headers named here no more. */
export function withoutCredential(...names: string[]): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers)
    for (const name of names) headers.delete(name)
    return fetch(input, { ...init, headers })
  }
}
