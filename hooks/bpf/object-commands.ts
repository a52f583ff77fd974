// Commands that are the same for programs, maps, links and BTF: walking ids, descriptors by id; BPF_BTF_LOAD, BPF_PROG_BIND_MAP,
// BPF_ENABLE_STATS.

import { Btf } from '../../base/btf/btf.ts'
import { ERRNO } from '../../base/errno.ts'
import { UserError } from '../../base/errors.ts'
import { btfFile, fileOf, type HookFile, mapFile, progFile, statsFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import { BtfObject } from '../objects/btf.ts'
import type { Ids } from '../objects/ids.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { copyFromUser } from '../uapi/codec.ts'
import { linkFileOf } from './link-commands.ts'
import { logValid, writeLog } from './log.ts'
import { mapMode } from './map-commands.ts'

/** BPF_*_GET_NEXT_ID */
export function nextId<T>(ids: Ids<T>, attr: Attr<'prog_get_next_id'>): number {
  if (attr.start_id >= 0x7fffffff) return -ERRNO.EINVAL
  const next = ids.after(attr.start_id)
  if (next === 0) return -ERRNO.ENOENT
  attr.next_id = next
  return 0
}

/** BPF_*_GET_FD_BY_ID, for CAP_SYS_ADMIN. */
export function fdById<T>(
  host: BpfHost,
  ids: Ids<T>,
  attr: Attr<'prog_get_fd_by_id'>,
  open: (object: T) => HookFile,
): number {
  const object = ids.get(attr.id)
  return object === undefined ? -ERRNO.ENOENT : host.descriptors.install(open(object))
}

export function mapFdById(host: BpfHost, attr: Attr<'map_get_fd_by_id'>): number {
  const mode = mapMode(attr.open_flags)
  if (!mode) return -ERRNO.EINVAL
  return fdById(host, host.maps, attr, (map) => mapFile(map, mode))
}

export const progFdById = (host: BpfHost, attr: Attr<'prog_get_fd_by_id'>): number =>
  fdById(host, host.progs, attr, progFile)

export const linkFdById = (host: BpfHost, attr: Attr<'link_get_fd_by_id'>): number =>
  fdById(host, host.links, attr, linkFileOf)

export const btfFdById = (host: BpfHost, attr: Attr<'btf_get_fd_by_id'>): number =>
  fdById(host, host.btfs, attr, btfFile)

/** BTF_MAX_SIZE */
const MAX_BTF_BYTES = 16 << 20

export function btfLoad(host: BpfHost, attr: Attr<'btf_load'>): number {
  const log = { level: attr.btf_log_level, buffer: attr.btf_log_buf, size: attr.btf_log_size }
  if (attr.btf_flags !== 0) return -ERRNO.EINVAL
  if (attr.btf_size > MAX_BTF_BYTES) return -ERRNO.E2BIG
  if (!logValid(log)) return -ERRNO.EINVAL
  const bytes = copyFromUser(attr.btf, 0, attr.btf_size)
  if (!bytes) return -ERRNO.EFAULT
  let btf: Btf
  try {
    btf = Btf.parse(bytes)
  } catch (failure) {
    if (!(failure instanceof UserError)) throw failure
    const written = writeLog(log, `${failure.message}\n`)
    attr.btf_log_true_size = written.trueSize
    return written.error || -ERRNO.EINVAL
  }
  const written = writeLog(log, '')
  attr.btf_log_true_size = written.trueSize
  return host.descriptors.install(btfFile(new BtfObject(host.btfs, btf, { bytes })))
}

/** A program holds a map that its code does not name (.rodata of skeletons). */
export function progBindMap(host: BpfHost, attr: Attr<'prog_bind_map'>): number {
  if (attr.flags !== 0) return -ERRNO.EINVAL
  const prog = fileOf(host.descriptors, attr.prog_fd, 'prog')
  if (typeof prog === 'number') return prog
  const map = fileOf(host.descriptors, attr.map_fd, 'map')
  if (typeof map === 'number') return map
  if (!prog.object.maps.includes(map.object)) prog.object.maps.push(map.object.hold())
  return 0
}

/** BPF_STATS_RUN_TIME is the only kind. */
export function enableStats(host: BpfHost, attr: Attr<'enable_stats'>): number {
  return attr.type === 0 ? host.descriptors.install(statsFile(host.runner)) : -ERRNO.EINVAL
}
