// bpf(2)'s commands and what carries each one out. What Linux has and this table lacks (BPF_PROG_ATTACH and _DETACH of cgroup and
// socket programs, BPF_PROG_QUERY, BPF_TASK_FD_QUERY, BPF_ITER_CREATE, BPF_TOKEN_CREATE) is -EINVAL, as an unknown command is.

import { ERRNO } from '../../base/errno.ts'
import type { BpfHost } from '../host.ts'
import type { Attr, Command } from '../uapi/bpf-attr.ts'
import { linkCreate, linkDetach, linkUpdate, rawTracepointOpen } from './link-commands.ts'
import {
  mapCreate,
  mapDeleteBatch,
  mapDeleteElem,
  mapFreeze,
  mapGetNextKey,
  mapLookupAndDeleteBatch,
  mapLookupAndDeleteElem,
  mapLookupBatch,
  mapLookupElem,
  mapUpdateBatch,
  mapUpdateElem,
} from './map-commands.ts'
import {
  btfFdById,
  btfLoad,
  enableStats,
  linkFdById,
  mapFdById,
  nextId,
  progBindMap,
  progFdById,
} from './object-commands.ts'
import { objGetInfoByFd } from './object-info.ts'
import { progLoad } from './prog-load.ts'
import { progTestRun } from './test-run.ts'

type Handler<C extends Command> = (host: BpfHost, attr: Attr<C>) => number

const absent = (): number => -ERRNO.EINVAL

export const HANDLERS: { readonly [C in Command]: Handler<C> } = {
  map_create: mapCreate,
  map_lookup_elem: mapLookupElem,
  map_update_elem: mapUpdateElem,
  map_delete_elem: mapDeleteElem,
  map_get_next_key: mapGetNextKey,
  map_lookup_and_delete_elem: mapLookupAndDeleteElem,
  map_lookup_batch: mapLookupBatch,
  map_lookup_and_delete_batch: mapLookupAndDeleteBatch,
  map_update_batch: mapUpdateBatch,
  map_delete_batch: mapDeleteBatch,
  map_freeze: mapFreeze,
  prog_load: progLoad,
  prog_test_run: progTestRun,
  prog_bind_map: progBindMap,
  prog_attach: absent,
  prog_detach: absent,
  link_create: linkCreate,
  link_update: linkUpdate,
  link_detach: linkDetach,
  raw_tracepoint_open: rawTracepointOpen,
  btf_load: btfLoad,
  obj_get_info_by_fd: objGetInfoByFd,
  prog_get_next_id: (host, attr) => nextId(host.progs, attr),
  map_get_next_id: (host, attr) => nextId(host.maps, attr),
  btf_get_next_id: (host, attr) => nextId(host.btfs, attr),
  link_get_next_id: (host, attr) => nextId(host.links, attr),
  prog_get_fd_by_id: progFdById,
  map_get_fd_by_id: mapFdById,
  btf_get_fd_by_id: btfFdById,
  link_get_fd_by_id: linkFdById,
  obj_pin: absent,
  obj_get: absent,
  enable_stats: enableStats,
}
