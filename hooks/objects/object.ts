// What a BPF file descriptor stands for. An object lives while something refers to it: descriptors, links, programs, map slots,
// pins. The last release() tears it down, in the order Linux does: a link detaches, a program gives up its maps.

import { InternalError } from '../../base/errors.ts'

export abstract class BpfObject {
  abstract readonly kind: 'map' | 'prog' | 'link' | 'btf'
  #references = 0

  get references(): number {
    return this.#references
  }

  hold(): this {
    this.#references++
    return this
  }

  release(): void {
    if (this.#references <= 0) throw new InternalError(`${this.kind} released more often than held`)
    if (--this.#references === 0) this.destroy()
  }

  protected abstract destroy(): void
}
