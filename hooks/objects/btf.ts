// BTF as an object with an id: vmlinux's (id 1), modules', and what loaders bring through BPF_BTF_LOAD.

import type { Btf } from '../../base/btf/btf.ts'
import type { Ids } from './ids.ts'
import { BpfObject } from './object.ts'

export class BtfObject extends BpfObject {
  readonly kind = 'btf'
  readonly id: number
  readonly btf: Btf
  /** `vmlinux` or the module's name; empty for a loader's. */
  readonly name: string
  readonly isKernel: boolean
  readonly #ids: Ids<BtfObject>
  #bytes: Uint8Array | undefined

  constructor(ids: Ids<BtfObject>, btf: Btf, from: { bytes: Uint8Array } | { kernel: string }) {
    super()
    this.btf = btf
    this.name = 'kernel' in from ? from.kernel : ''
    this.isKernel = 'kernel' in from
    this.#bytes = 'bytes' in from ? from.bytes : undefined
    this.#ids = ids
    this.id = ids.add(this)
  }

  /** The blob; a kernel's is encoded on first use. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= this.btf.encode())
  }

  protected destroy(): void {
    this.#ids.remove(this.id)
  }
}
