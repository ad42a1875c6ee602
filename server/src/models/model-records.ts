import path from 'node:path'

/** The folder of what was committed about a model beside the code: its calibration, its goldens. `undefined` where there is none. */
export function committedRecords(name: string): string | undefined {
  return name === 'all-minilm-l6-v2' ? path.join(import.meta.dirname, name) : undefined
}

/** The folder of the goldens that the operator had made for a model. The slash of a repository's name may not become a folder of its own. */
export function ownerRecords(dataDirectory: string, name: string): string {
  return path.join(dataDirectory, 'models', 'golden', name.replace('/', '--'))
}
