import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { recordOf } from './model-manifest.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Reads the JSON files of a model's repository, and refuses in one voice what is missing or unknown. */
export class RepositoryReader {
  readonly files: ModelFiles
  readonly model: string

  constructor(files: ModelFiles, model = 'in these files') {
    this.files = files
    this.model = model
  }

  /** @throws ModelError */
  refuse(what: string): never {
    throw new ModelError(`The model ${this.model} cannot be served: ${what}.`)
  }

  /** @returns the name @throws ModelError when there is no such file */
  file(name: string): string {
    return this.files.has(name) ? name : this.refuse(`it has no ${name}`)
  }

  async json(name: string): Promise<unknown> {
    const bytes = await this.files.read(this.file(name))
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch {
      return this.refuse(`its ${name} is not JSON`)
    }
  }

  async fields(name: string): Promise<Fields> {
    return recordOf(await this.json(name)) ?? this.refuse(`its ${name} is not a JSON object`)
  }

  /** The fields of a file that need not be there. */
  async fieldsIfAny(name: string): Promise<Fields> {
    return this.files.has(name) ? this.fields(name) : {}
  }

  positive(value: unknown, file: string, field: string): number {
    const fits = typeof value === 'number' && Number.isSafeInteger(value) && value > 0
    return fits ? value : this.refuse(`its ${file} has no positive number named ${field}`)
  }

  /** Refuses a field that is there with another meaning than the one that is served. */
  expect(fields: Fields, file: string, meanings: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [field, served] of Object.entries(meanings)) {
      const value = fields[field]
      if (value === undefined || value === null || served.includes(value)) continue
      this.refuse(`its ${file} has ${field} ${JSON.stringify(value)}, which is not supported`)
    }
  }
}
