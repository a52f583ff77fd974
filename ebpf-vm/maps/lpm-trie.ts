// BPF_MAP_TYPE_LPM_TRIE (Documentation/bpf/map_lpm_trie.rst): values under prefixes of bit strings; a lookup finds the longest prefix
// that matches. A key is a u32 prefix length and the bits, most significant first. Keys and values lie in kernel memory; the trie
// above them is ours, because no program walks it.

import { OutOfMemory } from '../../base/allocator.ts'
import { ERRNO } from '../../base/errno.ts'
import type { Machine } from '../machine.ts'
import { MAP_TYPE } from '../uapi.ts'
import { ACCESS_FLAGS, accessFlagsOk, ELEM, MAP_FLAG } from './flags.ts'
import { BpfMap, type MapAttr, mapType, roundUp } from './map.ts'

const { EINVAL, EEXIST, ENOENT, ENOMEM, ENOSPC } = ERRNO
const LENGTH_BYTES = 4
const MAX_DATA_BYTES = 256

/** `entry`: offset of the key that ends here, its value behind it; 0 for none. */
interface Node {
  entry: number
  zero: Node | undefined
  one: Node | undefined
}

const node = (): Node => ({ entry: 0, zero: undefined, one: undefined })

export class LpmTrie extends BpfMap {
  readonly #root = node()
  readonly #valueOffset: number
  readonly #entryBytes: number
  #count = 0

  constructor(machine: Machine, attr: MapAttr) {
    super(machine, attr)
    this.#valueOffset = roundUp(attr.keySize, 8)
    this.#entryBytes = this.#valueOffset + roundUp(attr.valueSize, 8)
  }

  get #maxPrefix(): number {
    return (this.keySize - LENGTH_BYTES) * 8
  }

  #length(key: number): number {
    return this.machine.mem.dv.getUint32(key, true)
  }

  #bit(key: number, n: number): number {
    return (this.machine.mem.u8[key + LENGTH_BYTES + (n >> 3)]! >> (7 - (n & 7))) & 1
  }

  lookup(key: number): number {
    const length = this.#length(key)
    if (length > this.#maxPrefix) return 0
    let at: Node | undefined = this.#root
    let best = 0
    for (let n = 0; at; n++) {
      if (at.entry !== 0) best = at.entry
      if (n === length) break
      at = this.#bit(key, n) ? at.one : at.zero
    }
    return best === 0 ? 0 : best + this.#valueOffset
  }

  /** The node of exactly this prefix; `make` fills the way to it in. */
  #node(key: number, make: boolean): Node | undefined {
    let at = this.#root
    for (let n = 0; n < this.#length(key); n++) {
      const side = this.#bit(key, n) ? 'one' : 'zero'
      if (!at[side]) {
        if (!make) return undefined
        at[side] = node()
      }
      at = at[side]!
    }
    return at
  }

  override update(key: number, value: number, flags: number): number {
    const { alloc, mem } = this.machine
    if (flags > ELEM.exist || this.#length(key) > this.#maxPrefix) return -EINVAL
    const old = this.#node(key, false)?.entry ?? 0
    if (old !== 0 && flags === ELEM.noexist) return -EEXIST
    if (old === 0 && flags === ELEM.exist) return -ENOENT
    if (old === 0 && this.#count === this.maxEntries) return -ENOSPC
    // A new entry even for a known key: programs may hold pointers to the old value.
    let entry: number
    try {
      entry = alloc.alloc(this.#entryBytes)
    } catch (error) {
      if (error instanceof OutOfMemory) return -ENOMEM
      throw error
    }
    mem.copy(entry, key, this.keySize)
    this.copyValue(entry + this.#valueOffset, value)
    this.#node(key, true)!.entry = entry
    if (old === 0) this.#count++
    else this.#retire(old)
    return 0
  }

  override delete(key: number): number {
    if (this.#length(key) > this.#maxPrefix) return -EINVAL
    const at = this.#node(key, false)
    if (!at || at.entry === 0) return -ENOENT
    this.#retire(at.entry)
    at.entry = 0
    this.#count--
    this.#prune(key)
    return 0
  }

  /** Entries taken out by a program that may still look at them; freed by the next change. */
  readonly #retired: number[] = []

  #retire(entry: number): void {
    for (const old of this.#retired.splice(0)) this.machine.alloc.free(old)
    this.#retired.push(entry)
  }

  /** Cut off the branch to a prefix where nothing is left on it. */
  #prune(key: number): void {
    const path: [Node, 'zero' | 'one'][] = []
    let at = this.#root
    for (let n = 0; n < this.#length(key); n++) {
      const side = this.#bit(key, n) ? 'one' : 'zero'
      path.push([at, side])
      at = at[side]!
    }
    for (const [parent, side] of path.reverse()) {
      const child = parent[side]!
      if (child.entry !== 0 || child.zero || child.one) return
      parent[side] = undefined
    }
  }

  /** Entries in Linux's order: below a prefix first what it contains, zeros before ones, then itself. */
  *#entries(at: Node | undefined): Generator<number> {
    if (!at) return
    yield* this.#entries(at.zero)
    yield* this.#entries(at.one)
    if (at.entry !== 0) yield at.entry
  }

  override nextKey(key: number, out: number): number {
    const here = key === 0 || this.#length(key) > this.#maxPrefix ? 0 : (this.#node(key, false)?.entry ?? 0)
    let found = here === 0
    for (const entry of this.#entries(this.#root)) {
      if (found) {
        this.machine.mem.copy(out, entry, this.keySize)
        return 0
      }
      found = entry === here
    }
    return -ENOENT
  }

  get memoryBytes(): number {
    return this.#count * this.#entryBytes
  }

  protected release(): void {
    for (const entry of [...this.#entries(this.#root), ...this.#retired]) this.machine.alloc.free(entry)
  }
}

/** trie_alloc() */
function check(attr: MapAttr): number {
  const flags = attr.mapFlags ?? 0
  const data = attr.keySize - LENGTH_BYTES
  if (attr.maxEntries === 0 || !(flags & MAP_FLAG.no_prealloc)) return -EINVAL
  if (flags & ~(MAP_FLAG.no_prealloc | MAP_FLAG.numa_node | ACCESS_FLAGS) || !accessFlagsOk(flags)) return -EINVAL
  if (data < 1 || data > MAX_DATA_BYTES) return -EINVAL
  return attr.valueSize < 1 || attr.valueSize > (4 << 20) - MAX_DATA_BYTES - 64 ? -EINVAL : 0
}

export const lpmTrie = mapType({
  type: MAP_TYPE.lpm_trie,
  name: 'lpm_trie',
  check,
  create: (machine, attr) => new LpmTrie(machine, attr),
})
