// What stands behind the descriptors that bpf(2) and perf_event_open(2) give out: anonymous inodes with Linux's names. The file
// holds its object; the last close releases it.

import { ERRNO } from '../base/errno.ts'
import type { CgroupRef } from './maps/cgroup-array.ts'
import { PerfEventArray } from './maps/perf-event-array.ts'
import type { BtfObject } from './objects/btf.ts'
import type { BpfLink } from './objects/link.ts'
import type { MapObject } from './objects/map.ts'
import { type BpfProg, tagText } from './objects/prog.ts'
import type { PerfEvent } from './perf/event.ts'
import type { Runner } from './run.ts'
import type { UserBytes } from './uapi/codec.ts'

/** Which of reading and writing the descriptor allows (maps: BPF_F_RDONLY and BPF_F_WRONLY). */
export interface FileMode {
  readonly read: boolean
  readonly write: boolean
}

interface Behaviour {
  /** `anon_inode:NAME` in /proc/PID/fd. */
  readonly name: string
  /** Lines of /proc/PID/fdinfo/FD after pos, flags and mnt_id. */
  fdinfo(): string
  /** The last descriptor is gone. */
  release(): void
  ioctl?(command: number, argument: number | UserBytes | undefined): number
}

export type HookFile = Behaviour &
  (
    | { readonly kind: 'map'; readonly object: MapObject; readonly mode: FileMode }
    | { readonly kind: 'prog'; readonly object: BpfProg }
    | { readonly kind: 'link'; readonly object: BpfLink }
    | { readonly kind: 'btf'; readonly object: BtfObject }
    | { readonly kind: 'perf_event'; readonly event: PerfEvent }
    | { readonly kind: 'stats' }
  )

/** Descriptors of the current task. `get` gives undefined for -EBADF and 'other' for a file that is none of ours. */
export interface Descriptors {
  /** The lowest free descriptor, close-on-exec; negative errno when there is none. */
  install(file: HookFile): number
  get(fd: number): HookFile | 'other' | undefined
  /** close(2): 0 or -EBADF. */
  close(fd: number): number
  /** The cgroup whose directory is open at `fd`, or -EBADF. */
  cgroup(fd: number): CgroupRef | number
}

const line = (name: string, value: string | number | bigint): string => `${name}:\t${value}\n`
const hex = (value: number): string => `0x${value.toString(16)}`

export function mapFile(object: MapObject, mode: FileMode): HookFile {
  object.hold()
  const { map } = object
  const file: HookFile = {
    kind: 'map',
    name: 'bpf-map',
    object,
    mode,
    fdinfo: () =>
      line('map_type', map.type) +
      line('key_size', map.keySize) +
      line('value_size', map.valueSize) +
      line('max_entries', map.maxEntries) +
      line('map_flags', hex(map.mapFlags)) +
      line('map_extra', hex(map.mapExtra)) +
      line('memlock', map.memoryBytes) +
      line('map_id', map.id) +
      line('frozen', map.frozen ? 1 : 0),
    release() {
      if (map instanceof PerfEventArray) map.fileReleased(file)
      object.release()
    },
  }
  return file
}

export function progFile(object: BpfProg): HookFile {
  object.hold()
  return {
    kind: 'prog',
    name: 'bpf-prog',
    object,
    fdinfo: () =>
      line('prog_type', object.type) +
      line('prog_jited', object.loaded.engine === 'jit' ? 1 : 0) +
      line('prog_tag', tagText(object.tag)) +
      line('memlock', Math.ceil((object.verified.insns.length * 8) / 4096) * 4096) +
      line('prog_id', object.id) +
      line('run_time_ns', object.runTimeNs) +
      line('run_cnt', object.runCnt) +
      line('recursion_misses', object.missed) +
      line('verified_insns', object.verifiedInsns),
    release: () => object.release(),
  }
}

export function linkFile(object: BpfLink, typeName: string): HookFile {
  object.hold()
  return {
    kind: 'link',
    name: 'bpf_link',
    object,
    fdinfo: () =>
      line('link_type', typeName) +
      line('link_id', object.id) +
      line('prog_tag', tagText(object.prog.tag)) +
      line('prog_id', object.prog.id) +
      (object.target.fdinfo?.() ?? ''),
    release: () => object.release(),
  }
}

export function btfFile(object: BtfObject): HookFile {
  object.hold()
  return {
    kind: 'btf',
    name: 'btf',
    object,
    fdinfo: () => line('btf_id', object.id),
    release: () => object.release(),
  }
}

/** BPF_ENABLE_STATS: statistics are on while the descriptor is open. */
export function statsFile(runner: Runner): HookFile {
  runner.statistics++
  return {
    kind: 'stats',
    name: 'bpf-stats',
    fdinfo: () => '',
    release() {
      runner.statistics--
    },
  }
}

/** The object behind a descriptor of one kind: -EBADF when there is no file, -EINVAL when it is another kind. */
export function fileOf<K extends HookFile['kind']>(
  descriptors: Descriptors,
  fd: number,
  kind: K,
): Extract<HookFile, { kind: K }> | number {
  const file = descriptors.get(fd)
  if (file === undefined) return -ERRNO.EBADF
  if (file === 'other' || file.kind !== kind) return -ERRNO.EINVAL
  return file as Extract<HookFile, { kind: K }>
}
