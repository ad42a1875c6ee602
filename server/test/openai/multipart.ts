/** A part of a form, as it stands on the wire. */
export interface Part {
  readonly name: string
  readonly filename?: string
  readonly content: string | Buffer
}

const boundary = 'a-boundary-of-the-tests'

/** The bytes of a form, with nothing made right on the way. */
export function formOf(parts: readonly Part[]): { readonly body: Uint8Array<ArrayBuffer>; readonly type: string } {
  const pieces = parts.flatMap(({ name, filename, content }) => [
    Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; name="${name}"`),
    Buffer.from(filename === undefined ? '\r\n\r\n' : `; filename="${filename}"\r\ncontent-type: application/octet-stream\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
  return {
    body: new Uint8Array(Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])),
    type: `multipart/form-data; boundary=${boundary}`,
  }
}
