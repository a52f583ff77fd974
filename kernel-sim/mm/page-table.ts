// Virtual page -> frame of one address space: leaves of 512 entries, as the lowest level of x86-64's tables. 0 is "not present".
//
//   31 ............ 12 | 11 ... 2 |   1    |    0
//     frame (offset)   |    0     |  write | present
//
// `write` is set only while the frame may be written without asking: not for copy-on-write pages, the zero page, clean shared ones.

export const PTE_PRESENT = 1
export const PTE_WRITE = 2
/** Offset of the frame of an entry. */
export const pteFrame = (pte: number): number => pte & ~0xfff

const LEAF_ENTRIES = 512

export class PageTable {
  readonly #leaves = new Map<number, Int32Array>()
  #lastIndex = -1
  #lastLeaf: Int32Array | undefined

  /** Pages of 4 KiB that the leaves would take on Linux. */
  get leaves(): number {
    return this.#leaves.size
  }

  get(page: number): number {
    const leaf = this.#leaf(Math.floor(page / LEAF_ENTRIES))
    return leaf ? leaf[page % LEAF_ENTRIES]! : 0
  }

  set(page: number, pte: number): void {
    const index = Math.floor(page / LEAF_ENTRIES)
    let leaf = this.#leaf(index)
    if (!leaf) {
      leaf = new Int32Array(LEAF_ENTRIES)
      this.#leaves.set(index, leaf)
      this.#lastIndex = index
      this.#lastLeaf = leaf
    }
    leaf[page % LEAF_ENTRIES] = pte
  }

  /** Every present entry of pages `[from, to)`; what `change` returns replaces it. */
  update(from: number, to: number, change: (pte: number, page: number) => number): void {
    for (let index = Math.floor(from / LEAF_ENTRIES); index * LEAF_ENTRIES < to; index++) {
      const leaf = this.#leaves.get(index)
      if (!leaf) continue
      const base = index * LEAF_ENTRIES
      const end = Math.min(LEAF_ENTRIES, to - base)
      for (let i = Math.max(0, from - base); i < end; i++) {
        const pte = leaf[i]!
        if (pte !== 0) leaf[i] = change(pte, base + i)
      }
    }
  }

  #leaf(index: number): Int32Array | undefined {
    if (index === this.#lastIndex) return this.#lastLeaf
    const leaf = this.#leaves.get(index)
    if (leaf) {
      this.#lastIndex = index
      this.#lastLeaf = leaf
    }
    return leaf
  }
}
