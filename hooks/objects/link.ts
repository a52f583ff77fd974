// A link: a program attached to something, for as long as the link lives. Closing its last descriptor detaches.
// One LinkTarget per attach type does the attaching; the link keeps the life cycle and the identity.

import { ERRNO } from '../../base/errno.ts'
import type { LINK_INFO } from '../uapi/bpf-info.ts'
import type { Struct, UserBytes } from '../uapi/codec.ts'
import type { Ids } from './ids.ts'
import { BpfObject } from './object.ts'
import type { BpfProg } from './prog.ts'

export type LinkInfo = typeof LINK_INFO extends Struct<infer T> ? T : never

/** What differs between attach types. It is attached already when a link is made of it. */
export interface LinkTarget {
  /** enum bpf_link_type */
  readonly type: number
  detach(): void
  /** BPF_LINK_UPDATE to another program; absent: -EINVAL as Linux says for such links. */
  update?(next: BpfProg): number
  /** BPF_LINK_DETACH by force; absent: -EOPNOTSUPP. */
  readonly detachable?: true
  /** The type's own members of bpf_link_info. `given` is what the caller passed in (name buffers and their sizes). */
  info?(given: LinkInfo): Partial<LinkInfo> | number
  /** Lines of /proc/PID/fdinfo after the common ones. */
  fdinfo?(): string
}

export class BpfLink extends BpfObject {
  readonly kind = 'link'
  readonly id: number
  readonly target: LinkTarget
  readonly #ids: Ids<BpfLink>
  #prog: BpfProg
  #attached = true

  constructor(ids: Ids<BpfLink>, prog: BpfProg, target: LinkTarget) {
    super()
    this.#prog = prog.hold()
    this.target = target
    this.#ids = ids
    this.id = ids.add(this)
  }

  get prog(): BpfProg {
    return this.#prog
  }

  get attached(): boolean {
    return this.#attached
  }

  update(next: BpfProg): number {
    if (!this.target.update) return -ERRNO.EINVAL
    const result = this.target.update(next)
    if (result !== 0) return result
    next.hold()
    this.#prog.release()
    this.#prog = next
    return 0
  }

  detach(): number {
    if (!this.target.detachable) return -ERRNO.EOPNOTSUPP
    this.#detach()
    return 0
  }

  protected destroy(): void {
    this.#detach()
    this.#ids.remove(this.id)
    this.#prog.release()
  }

  #detach(): void {
    if (!this.#attached) return
    this.#attached = false
    this.target.detach()
  }
}

/**
 * Copy a name to the caller's buffer as bpf_link_info does: truncated with -ENOSPC; a length of 0 asks for nothing; -EINVAL when
 * only one of buffer and length is given.
 */
export function copyName(
  buffer: UserBytes | undefined,
  size: number,
  name: string,
  copy: (text: Uint8Array) => boolean,
): number {
  if (!buffer !== !size) return -ERRNO.EINVAL
  if (!buffer) return 0
  const fits = name.length < size
  const text = Uint8Array.from((fits ? name : name.slice(0, size - 1)) + '\0', (char) => char.charCodeAt(0))
  if (!copy(text)) return -ERRNO.EFAULT
  return fits ? 0 : -ERRNO.ENOSPC
}
