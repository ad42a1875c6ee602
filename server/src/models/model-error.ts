/** A model that cannot be served: a file is missing, altered or unreadable, or a graph fails its proof. The message says what, where and what to do. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
}
