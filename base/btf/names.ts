// Type ids by name, without making a string of each: an open-addressed hash table over the bytes of the string section.
// Built once, on the first lookup; ids of one name are chained in ascending order.

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

export class NameIndex {
  readonly #bytes: Uint8Array
  readonly #mask: number
  /** Slot -> index of the first record of that name, plus 1. */
  readonly #slots: Uint32Array
  /** Record index -> index of the next record of the same name, plus 1. */
  readonly #next: Uint32Array
  readonly #names: Uint32Array

  /** `names[i]` is where the name of record i starts in `bytes`, 0 for none. */
  constructor(bytes: Uint8Array, names: Uint32Array) {
    this.#bytes = bytes
    this.#names = names
    let size = 16
    while (size < names.length * 2) size *= 2
    this.#mask = size - 1
    this.#slots = new Uint32Array(size)
    this.#next = new Uint32Array(names.length)
    for (let i = names.length - 1; i >= 0; i--) {
      const start = names[i]!
      if (start === 0) continue
      let hash = FNV_OFFSET
      for (let at = start; bytes[at] !== 0; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME)
      let slot = hash & this.#mask
      while (this.#slots[slot] !== 0 && !this.#same(start, names[this.#slots[slot]! - 1]!)) {
        slot = (slot + 1) & this.#mask
      }
      this.#next[i] = this.#slots[slot]!
      this.#slots[slot] = i + 1
    }
  }

  /** Index of the first record of this name, -1 if there is none. */
  first(name: string): number {
    const text = byteText(name)
    let hash = FNV_OFFSET
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME)
    for (let slot = hash & this.#mask; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot]! - 1
      if (this.#spells(this.#names[index]!, text)) return index
    }
    return -1
  }

  /** The record of the same name behind `index`, -1 at the end. */
  next(index: number): number {
    return this.#next[index]! - 1
  }

  #same(a: number, b: number): boolean {
    if (a === b) return true
    for (let i = 0; ; i++) {
      if (this.#bytes[a + i] !== this.#bytes[b + i]) return false
      if (this.#bytes[a + i] === 0) return true
    }
  }

  #spells(start: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#bytes[start + i] !== text.charCodeAt(i)) return false
    return this.#bytes[start + text.length] === 0
  }
}

/** A character per byte of UTF-8: the name itself when it is ASCII. */
function byteText(name: string): string {
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) >= 0x80) return String.fromCharCode(...new TextEncoder().encode(name))
  }
  return name
}
