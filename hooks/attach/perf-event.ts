// BPF_LINK_CREATE on the descriptor of a perf event: what PERF_EVENT_IOC_SET_BPF does, as a link. The link holds the event.

import { ERRNO } from '../../base/errno.ts'
import { fileOf } from '../files.ts'
import type { BpfHost } from '../host.ts'
import { copyName, type LinkTarget } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { LINK_TYPE } from '../uapi/bpf-info.ts'
import { copyToUser } from '../uapi/codec.ts'

export function attachPerfEvent(host: BpfHost, prog: BpfProg, attr: Attr<'link_create'>): LinkTarget | number {
  const file = fileOf(host.descriptors, attr.target_fd, 'perf_event')
  if (typeof file === 'number') return -ERRNO.EBADF
  const { event } = file
  const error = event.setProg(prog, attr.perf_event.bpf_cookie)
  if (error !== 0) return error
  event.hold()
  return {
    type: LINK_TYPE.perf_event,
    detach() {
      event.clearProg()
      event.release()
    },
    info({ perf_event_name: buffer, perf_event_name_len: size }) {
      const info = event.source.info?.()
      if (!info) return -ERRNO.EOPNOTSUPP
      const copied = copyName(buffer, size, info.name, (text) => copyToUser(buffer, 0, text))
      if (copied !== 0) return copied
      return { perf_event_type: info.type, perf_event_name_len: info.name.length + 1, ...info.fields }
    },
  }
}
