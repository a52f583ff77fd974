// The words that helper prototypes are written in: one constant or small function per argument kind.

import type { ArgSpec, HelperProto } from '../../base/facts.ts'

export const anything: ArgSpec = { kind: 'anything' }
export const constMap: ArgSpec = { kind: 'const_map' }
export const mapKey: ArgSpec = { kind: 'map_key' }
export const mapValue: ArgSpec = { kind: 'map_value' }
export const mapValueOrNull: ArgSpec = { kind: 'map_value', nullable: true }
export const mapValueOut: ArgSpec = { kind: 'map_value', uninit: true, write: true }
/** Memory that is only read, its length in the next argument. */
export const mem: ArgSpec = { kind: 'mem', readonly: true }
export const memOrNull: ArgSpec = { kind: 'mem', readonly: true, nullable: true }
/** Memory that the helper fills, its length in the next argument. */
export const memOut: ArgSpec = { kind: 'mem', uninit: true, write: true }
export const memOutOrNull: ArgSpec = { kind: 'mem', uninit: true, write: true, nullable: true }
/** Memory that is read and written. */
export const memInOut: ArgSpec = { kind: 'mem', write: true }
export const memInOutOrNull: ArgSpec = { kind: 'mem', write: true, nullable: true }
export const fixedOut = (bytes: number): ArgSpec => ({ kind: 'mem', bytes, uninit: true, write: true, aligned: true })
export const size: ArgSpec = { kind: 'size' }
export const sizeOrZero: ArgSpec = { kind: 'size_or_zero' }
export const constAlloc: ArgSpec = { kind: 'const_alloc' }
export const ctx: ArgSpec = { kind: 'ctx' }
export const spinLock: ArgSpec = { kind: 'spin_lock' }
export const timer: ArgSpec = { kind: 'timer' }
export const sockCommon: ArgSpec = { kind: 'sock_common' }
export const btfSock: ArgSpec = { kind: 'btf_sock' }
export const btfSockOrNull: ArgSpec = { kind: 'btf_sock', nullable: true }
export const btfSockRelease: ArgSpec = { kind: 'btf_sock', release: true }
export const btf = (struct: string): ArgSpec => ({ kind: 'btf', struct })
export const btfOrNull = (struct: string): ArgSpec => ({ kind: 'btf', struct, nullable: true })
export const percpuBtf: ArgSpec = { kind: 'percpu_btf' }
export const func: ArgSpec = { kind: 'func' }
export const stackOrNull: ArgSpec = { kind: 'stack', nullable: true }
export const constStr: ArgSpec = { kind: 'const_str' }
export const kptr: ArgSpec = { kind: 'kptr' }
export const kptrValue: ArgSpec = { kind: 'btf', nullable: true, release: true }
/** A dynptr that the helper does not change (its memory it may). */
export const dynptr: ArgSpec = { kind: 'dynptr', readonly: true }
export const dynptrOut = (kind: 'local' | 'ringbuf'): ArgSpec => ({ kind: 'dynptr', uninit: true, dynptr: kind })
export const dynptrRelease: ArgSpec = { kind: 'dynptr', dynptr: 'ringbuf', release: true }
export const ringbufMem: ArgSpec = { kind: 'ringbuf_mem', release: true }

/** A prototype, checked and returned: `helper({ id: 5, name: 'ktime_get_ns', args: [], returns: 'integer', groups: ['base'] })`. */
export const helper = (proto: HelperProto): HelperProto => proto
