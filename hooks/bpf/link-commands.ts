// BPF_LINK_CREATE, _UPDATE, _DETACH and BPF_RAW_TRACEPOINT_OPEN.

import { ERRNO } from '../../base/errno.ts'
import { fileOf, linkFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import { BpfLink, type LinkTarget } from '../objects/link.ts'
import type { BpfProg } from '../objects/prog.ts'
import { attach, attachOpened } from '../registry.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { LINK_TYPE } from '../uapi/bpf-info.ts'
import { stringFromUser } from '../uapi/codec.ts'

/** BPF_F_REPLACE */
const REPLACE = 4

const typeNames = new Map<number, string>(Object.entries(LINK_TYPE).map(([name, type]) => [type, name]))

/** The descriptor of a new link. */
export const linkFileOf = (link: BpfLink) => linkFile(link, typeNames.get(link.target.type)!)

function install(host: BpfHost, prog: BpfProg, target: LinkTarget | number): number {
  if (typeof target === 'number') return target
  const link = new BpfLink(host.links, prog, target)
  return host.descriptors.install(linkFileOf(link))
}

export function linkCreate(host: BpfHost, attr: Attr<'link_create'>): number {
  const file = fileOf(host.descriptors, attr.prog_fd, 'prog')
  if (typeof file === 'number') return file
  return install(host, file.object, attach(host, file.object, attr))
}

export function rawTracepointOpen(host: BpfHost, attr: Attr<'raw_tracepoint_open'>): number {
  const file = fileOf(host.descriptors, attr.prog_fd, 'prog')
  if (typeof file === 'number') return file
  const name = attr.name && stringFromUser(attr.name, 127)
  if (attr.name && name === undefined) return -ERRNO.EFAULT
  return install(host, file.object, attachOpened(host, file.object, name, attr.cookie))
}

export function linkUpdate(host: BpfHost, attr: Attr<'link_update'>): number {
  if (attr.flags & ~REPLACE) return -ERRNO.EINVAL
  const link = fileOf(host.descriptors, attr.link_fd, 'link')
  if (typeof link === 'number') return link
  const next = fileOf(host.descriptors, attr.new_prog_fd, 'prog')
  if (typeof next === 'number') return next
  if (attr.flags & REPLACE) {
    const old = fileOf(host.descriptors, attr.old_prog_fd, 'prog')
    if (typeof old === 'number') return old
    if (old.object !== link.object.prog) return -ERRNO.EPERM
  } else if (attr.old_prog_fd !== 0) return -ERRNO.EINVAL
  return link.object.update(next.object)
}

export function linkDetach(host: BpfHost, attr: Attr<'link_detach'>): number {
  const link = fileOf(host.descriptors, attr.link_fd, 'link')
  return typeof link === 'number' ? link : link.object.detach()
}
