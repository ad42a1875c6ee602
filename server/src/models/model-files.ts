/**
 * The files of one model on this machine, whatever source they came from: an npm package, the hub, a folder, an archive.
 * Names are paths inside the model's repository, such as `1_Pooling/config.json`.
 */
export interface ModelFiles {
  readonly names: readonly string[]
  has(name: string): boolean
  /** Where a file lies. @throws ModelError when the model has no such file */
  pathOf(name: string): string
  /** The SHA-256 the file must have, hexadecimal. @throws ModelError when the model has no such file */
  sha256Of(name: string): string
  /** The bytes of a file, proved to be the ones that were published. @throws ModelError when it is missing or altered */
  read(name: string): Promise<Uint8Array>
}
