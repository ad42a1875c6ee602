import { isUtf8 } from 'node:buffer'
import { shown } from '../dialects/strict-json.ts'
import { NearfieldError } from '../errors.ts'

/**
 * Reads a multipart form as if its fields had been JSON: a field that the schema knows as a number is read as one, and
 * a field sent several times becomes a list. The parsing is Node's own (`Response.formData`, WHATWG fetch).
 * @throws NearfieldError `invalid_request` for a form that cannot be read, and for files
 */
export async function readFormFields(body: Buffer, contentType: string, schema: unknown): Promise<Record<string, unknown>> {
  if (!isUtf8(body)) throw new NearfieldError('invalid_request', 'The form is not valid UTF-8. Only text fields are supported.')
  const form = await parse(body, contentType)
  const fields: Record<string, unknown> = Object.create(null)
  for (const name of new Set(form.keys())) {
    if (name === '__proto__') throw new NearfieldError('invalid_request', 'The form has a field `__proto__`, which is not allowed.')
    const values = form.getAll(name)
    const texts = values.filter((value) => typeof value === 'string')
    if (texts.length < values.length)
      throw new NearfieldError('invalid_request', `The form field ${shown(name)} is a file. Send text fields only.`)
    const read = texts.map((text) => (isNumeric(schema, name) && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text))
    fields[name] = read.length === 1 ? read[0] : read
  }
  return { ...fields }
}

async function parse(body: Buffer, contentType: string): Promise<FormData> {
  try {
    return await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData()
  } catch (thrown) {
    throw new NearfieldError('invalid_request', 'The multipart form could not be read. Check its boundary.', { cause: thrown })
  }
}

/** Whether a JSON schema, or the first of a body's schemas per content type, has `name` as a number. */
function isNumeric(schema: unknown, name: string): boolean {
  const property = member(member(schema, 'properties'), name)
  const type = member(property, 'type')
  return type === 'integer' || type === 'number'
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}
