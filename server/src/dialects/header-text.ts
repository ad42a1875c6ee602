/** Clients read so much of one header and more of all together: Node's take 16 KiB in all, and a billed answer must not be lost to that. */
const charactersMax = 2_048
const ending = ' ...'

/** A text as a header may hold it: printable ASCII, and no longer than a client will read. */
export function headerText(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length <= charactersMax ? printable : printable.slice(0, charactersMax - ending.length) + ending
}
