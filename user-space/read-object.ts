// Objects from wherever they are: bytes, a file by its path or URL, an address.

import { UserError } from '../base/errors.ts'
import { readObjectBytes } from './object/read.ts'
import type { ObjectShape, ObjectSpec } from './object/spec.ts'

export interface ReadObjectOptions {
  /** Name used in messages and, up to its first dot, as the object's name. Default: the path, `object` for bytes. */
  readonly name?: string
}

/**
 * A BPF object as a spec, read and not loaded: change variables, maps and programs, then `kernel.load(spec)`. `T` is the interface that
 * `bpfsim gen types` writes. Throws UserError for what is no whole BPF object.
 */
export async function readObject<T extends ObjectShape = ObjectShape>(
  source: Uint8Array | URL | string,
  options: ReadObjectOptions = {},
): Promise<ObjectSpec<T>> {
  if (source instanceof Uint8Array) return readObjectBytes<T>(source, options.name ?? 'object')
  const name = options.name ?? fileName(source)
  return readObjectBytes<T>(await bytesOf(source), name)
}

const fileName = (source: URL | string): string =>
  decodeURIComponent((source instanceof URL ? source.pathname : source).replace(/^.*[\\/]/, ''))

async function bytesOf(source: URL | string): Promise<Uint8Array> {
  const text = String(source)
  if (/^https?:/.test(text)) {
    const response = await fetch(text)
    if (!response.ok) throw new UserError(`cannot read ${text}: ${response.status} ${response.statusText}`)
    return new Uint8Array(await response.arrayBuffer())
  }
  const { readBytes } = await nodeHost()
  return readBytes(source)
}

/** What host/node.ts exports, as far as it is used here. */
interface NodeHost {
  readBytes(file: string | URL): Promise<Uint8Array>
}

/** By a name that bundlers for browsers do not follow: the file is there only under Node. */
async function nodeHost(): Promise<NodeHost> {
  const file = new URL('./host/node.js', import.meta.url).href
  return import(file)
}
