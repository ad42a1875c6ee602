const collection = 'models/'

/** A model's own name, without the collection that Google and its clients put before it, in OpenAI's dialect too. */
export function withoutCollection(name: string): string {
  return name.startsWith(collection) ? name.slice(collection.length) : name
}
