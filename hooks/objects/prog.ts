// A loaded program: the verified code in its engine, its identity, what it holds on to, and its counters.

import type { LoadedProgram } from '../../ebpf-vm/machine.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'
import type { BtfObject } from './btf.ts'
import type { Ids } from './ids.ts'
import type { MapObject } from './map.ts'
import { BpfObject } from './object.ts'

export interface ProgInit {
  readonly verified: VerifiedProgram
  readonly loaded: LoadedProgram
  /** bpf_prog_calc_tag(): 8 bytes. */
  readonly tag: Uint8Array
  readonly loadTimeNs: number
  readonly uid: number
  readonly verifiedInsns: number
  readonly maps: readonly MapObject[]
  readonly btf: BtfObject | undefined
  /** The BTF object of the attach target (vmlinux or a module), and the program for freplace. */
  readonly attachBtf: BtfObject | undefined
  readonly attachProg: BpfProg | undefined
  readonly cpus: number
}

export class BpfProg extends BpfObject {
  readonly kind = 'prog'
  readonly id: number
  readonly verified: VerifiedProgram
  readonly loaded: LoadedProgram
  readonly tag: Uint8Array
  readonly loadTimeNs: number
  readonly uid: number
  readonly verifiedInsns: number
  readonly btf: BtfObject | undefined
  readonly attachBtf: BtfObject | undefined
  readonly attachProg: BpfProg | undefined
  readonly maps: MapObject[]

  /** Nesting depth on each CPU (prog->active): tracing and raw tracepoint programs do not run inside themselves. */
  readonly active: Int32Array
  /** Every run since loading, whether statistics are on or not. */
  runs = 0
  /** bpf_prog_info.run_cnt and run_time_ns: counted only while statistics are on. */
  runCnt = 0
  runTimeNs = 0
  /** bpf_prog_info.recursion_misses: runs that a nesting rule skipped. */
  missed = 0

  readonly #ids: Ids<BpfProg>

  constructor(ids: Ids<BpfProg>, init: ProgInit) {
    super()
    this.verified = init.verified
    this.loaded = init.loaded
    this.tag = init.tag
    this.loadTimeNs = init.loadTimeNs
    this.uid = init.uid
    this.verifiedInsns = init.verifiedInsns
    this.btf = init.btf?.hold()
    this.attachBtf = init.attachBtf?.hold()
    this.attachProg = init.attachProg?.hold()
    this.maps = init.maps.map((map) => map.hold())
    this.active = new Int32Array(init.cpus)
    this.#ids = ids
    this.id = ids.add(this)
  }

  get name(): string {
    return this.verified.name
  }

  get type(): number {
    return this.verified.type
  }

  get expectedAttachType(): number {
    return this.verified.expectedAttachType
  }

  protected destroy(): void {
    this.#ids.remove(this.id)
    this.loaded.free()
    for (const map of this.maps) map.release()
    this.btf?.release()
    this.attachBtf?.release()
    this.attachProg?.release()
  }
}

/** The tag as Linux prints it: 16 hex digits. */
export const tagText = (tag: Uint8Array): string =>
  Array.from(tag, (byte) => byte.toString(16).padStart(2, '0')).join('')
