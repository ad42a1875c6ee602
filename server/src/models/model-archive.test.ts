import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openArchive, writeArchive } from './model-archive.ts'
import { ModelError } from './model-error.ts'
import type { ModelManifest } from './model-manifest.ts'
import { paddingAfter, parseTarHeader, tarHeader } from './tar.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'nearfield-archive-'))
})
afterAll(() => rm(root, { recursive: true }))

const limits = { filesMax: 16, fileBytesMax: 100_000, modelBytesMax: 200_000 }
const revision = 'a'.repeat(40)

function manifestOf(files: Readonly<Record<string, Uint8Array>>): ModelManifest {
  const entries = Object.entries(files).map(([name, bytes]) => ({
    name,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }))
  return { format: 1, name: 'team/small', revision, source: { kind: 'folder' }, licence: 'unknown', files: entries }
}

/** An archive made by hand, so that it can be wrong. */
function tar(entries: readonly (readonly [name: string, content: Uint8Array | string])[]): Buffer {
  const blocks = entries.flatMap(([name, content]) => {
    const bytes = Buffer.from(content)
    return [tarHeader({ name, bytes: bytes.length }), bytes, Buffer.alloc(paddingAfter(bytes.length))]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

let extractions = 0
/** @returns what came out; whatever it throws must leave everything outside its own folder as it was */
async function extract(archive: Uint8Array): Promise<Record<string, Buffer>> {
  const box = path.join(root, `box-${++extractions}`)
  const [source, folder] = [path.join(box, 'model.tar'), path.join(box, 'inside', 'folder')]
  await mkdir(folder, { recursive: true })
  await writeFile(source, archive)
  try {
    await using opened = await openArchive(source, limits)
    await opened.extractInto(folder, () => {})
    const names = opened.manifest.files.map(({ name }) => name)
    return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)))
  } finally {
    expect(await readdir(box)).toEqual(['inside', 'model.tar'])
    expect(await readdir(path.dirname(folder))).toEqual(['folder'])
  }
}

const fileName = fc
  .array(fc.stringMatching(/^[a-z0-9_][a-z0-9_.-]{0,20}[a-z0-9_]$/), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map((part, index) => (index + 1 < parts.length ? `d_${part}` : `f_${part}`)).join('/'))
const content = fc.uint8Array({ maxLength: 2_000 })
const someFiles = fc.dictionary(fileName, content, { minKeys: 1, maxKeys: 6, noNullPrototype: true })

test('any files come out as they went in, in an archive whose bytes depend on them alone', async () => {
  await fc.assert(
    fc.asyncProperty(someFiles, async (files) => {
      const manifest = manifestOf(files)
      const folder = await mkdtemp(path.join(root, 'model-'))
      for (const [name, bytes] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
        await writeFile(path.join(folder, name), bytes)
      }
      await writeArchive(manifest, folder, path.join(folder, 'model.tar'), () => {})
      const archive = await readFile(path.join(folder, 'model.tar'))
      expect(archive.equals(tar([['manifest.json', `${JSON.stringify(manifest, null, 2)}\n`], ...Object.entries(files)]))).toBe(true)
      const out = await extract(archive)
      for (const [name, bytes] of Object.entries(files)) expect(out[name]?.equals(bytes)).toBe(true)
    }),
    { numRuns: 25 },
  )
})

const sound = { 'config.json': Buffer.from('{}'), 'model.safetensors': Buffer.alloc(3_000, 7) }
const soundTar = () => tar([['manifest.json', JSON.stringify(manifestOf(sound))], ...Object.entries(sound)])

test('an archive cut off anywhere before its end mark, or with any byte changed, is refused or gives the same files', async () => {
  const archive = soundTar()
  const whole = archive.length - 1024
  await fc.assert(
    fc.asyncProperty(fc.nat(whole - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      await expect(extract(archive.subarray(0, at))).rejects.toThrow(ModelError)
      const altered = Buffer.from(archive)
      altered.writeUInt8(altered.readUInt8(at) ^ change, at)
      const out = await extract(altered).catch((thrown: unknown) => thrown)
      if (out instanceof Error) expect(out).toBeInstanceOf(ModelError)
      else expect(out).toEqual(sound)
    }),
    { numRuns: 60 },
  )
})

test.each(['../escape', '/etc/passwd', 'a/../../b', 'a//b', './a', '.hidden', 'a/.git/x', 'C:\\x', 'a\0b', 'con.', '', 'manifest.json'])(
  'a manifest that names %j is refused',
  async (name) => {
    const manifest = { ...manifestOf({ x: Buffer.from('x') }), files: [{ name, bytes: 1, sha256: '0'.repeat(64) }] }
    await expect(extract(tar([['manifest.json', JSON.stringify(manifest)]]))).rejects.toThrow(/is not the manifest of a model/)
  },
)

test.each(['../up', 'a/../../up', '/absolute', 'a b/..'])('a manifest whose model is called %j is refused', async (name) => {
  await expect(extract(tar([['manifest.json', JSON.stringify({ ...manifestOf(sound), name })]]))).rejects.toThrow('no proper name')
})

test('an entry that is not the one the manifest names is refused: another name, another size, one too many, one too few', async () => {
  const head = ['manifest.json', JSON.stringify(manifestOf(sound))] as const
  const [first, second] = Object.entries(sound)
  if (first === undefined || second === undefined) throw new Error('two files')
  await expect(extract(tar([head, second, first]))).rejects.toThrow('holds an entry where its manifest names config.json')
  await expect(extract(tar([head, ['../../escape', '{}'], second]))).rejects.toThrow('holds an entry')
  await expect(extract(tar([head, ['config.json', '{ }'], second]))).rejects.toThrow('holds an entry')
  await expect(extract(tar([head, first]))).rejects.toThrow('ends before model.safetensors')
  await expect(extract(tar([head, first, second, ['more', 'x']]))).rejects.toThrow('holds more than its manifest names')
  await expect(extract(tar([first, head, second]))).rejects.toThrow('does not begin with a manifest')
})

test.each(['1', '2', '5', 'x', 'L', 'g'])('an entry of type %s (links, folders, extensions) is refused', async (type) => {
  const header = Buffer.from(tarHeader({ name: 'config.json', bytes: 0 }))
  header.write(type, 156)
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  expect(() => parseTarHeader(header)).toThrow('no plain file')
})

test('an archive beyond the limits is refused from its manifest, before a byte of a file is written', async () => {
  const huge = { ...manifestOf(sound), files: [{ name: 'model.safetensors', bytes: 100_001, sha256: '0'.repeat(64) }] }
  await expect(extract(tar([['manifest.json', JSON.stringify(huge)]]))).rejects.toThrow('too large')
  const many = Array.from({ length: 17 }, (_, index) => ({ name: `f${index}`, bytes: 0, sha256: '0'.repeat(64) }))
  await expect(extract(tar([['manifest.json', JSON.stringify({ ...huge, files: many })]]))).rejects.toThrow('too large')
})

test('what is no archive is refused in a sentence', async () => {
  await expect(extract(Buffer.from('hello'))).rejects.toThrow('ends in the middle')
  await expect(extract(Buffer.alloc(2_048, 65))).rejects.toThrow('checksum of a header')
  await expect(openArchive(path.join(root, 'nothing.tar'), limits)).rejects.toThrow('cannot be read')
})

test('a file altered in the store is not exported, and no archive is left', async () => {
  const folder = await mkdtemp(path.join(root, 'altered-'))
  await writeFile(path.join(folder, 'config.json'), '[]')
  const target = path.join(folder, 'model.tar')
  await expect(writeArchive(manifestOf({ 'config.json': Buffer.from('{}') }), folder, target, () => {})).rejects.toThrow('was altered')
  expect(await readdir(folder)).toEqual(['config.json'])
})
