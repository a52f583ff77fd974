// How each kind of section attaches, as libbpf does it: which events it opens, which commands it gives. Words of failures are libbpf's,
// with near names where an attach point is unknown.

import { UserError } from '../../base/errors.ts'
import { ATTACH_TYPE } from '../../ebpf-vm/uapi.ts'
import { TRACEFS } from '../../hooks/tracefs.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { PERF_IOC, PERF_TYPE, PMU_TYPE } from '../../hooks/uapi/perf.ts'
import type { AttachMethod } from '../object/sections.ts'
import type { ProgramSpec } from '../object/spec.ts'
import { suggest } from '../suggest.ts'
import { type Calls, errorText } from './calls.ts'

/** A program to attach: its descriptor, and where (`target`, else the section's). */
export interface Attachment {
  readonly spec: ProgramSpec
  readonly fd: number
  readonly target: string
}

/** Descriptors that keep it attached, to be closed in this order. */
export type Attached = readonly number[]

type Attach = (calls: Calls, attachment: Attachment) => Attached

/** What sections ask for and this host cannot attach yet. */
export const NOT_YET = {
  kprobe_session: 'kprobe sessions',
  uprobe: 'uprobes',
  uprobe_multi: 'uprobes',
  usdt: 'USDT probes',
  lsm: 'LSM hooks',
  iter: 'iterators',
} as const satisfies Partial<Record<AttachMethod, string>>

/** Throws UserError: one line with libbpf's words. */
export const ATTACH: Record<AttachMethod, Attach> = {
  tracepoint(calls, attachment) {
    const { target } = attachment
    const id = calls.read(`${TRACEFS}/events/${target}/id`)
    if (id === undefined) {
      const known = calls.read(`${TRACEFS}/available_events`)!.trim().replaceAll(':', '/').split('\n')
      fail(
        attachment,
        `failed to determine tracepoint '${target}' perf event ID: No such file or directory${suggest(target, known)}`,
      )
    }
    const fd = calls.perfEventOpen({ type: PERF_TYPE.tracepoint, config: BigInt(id.trim()) }, 0)
    if (fd < 0) fail(attachment, `failed to create tracepoint '${target}' perf event: ${errorText(fd)}`)
    return attachPerf(calls, attachment, fd, 'tracepoint')
  },

  kprobe(calls, attachment) {
    const { target, spec } = attachment
    const match = /^([\w.]+)(?:\+(0x[0-9a-fA-F]+|\d+))?$/.exec(target)
    if (!match) fail(attachment, `kprobe name is invalid: ${target}`)
    const isReturn = spec.section.startsWith('kretprobe')
    const offset = Number(match[2] ?? 0)
    if (isReturn && offset !== 0) fail(attachment, 'kretprobes do not support offset specification')
    return attachKprobe(calls, attachment, match[1]!, offset, isReturn)
  },

  ksyscall(calls, attachment) {
    const { target, spec } = attachment
    return attachKprobe(calls, attachment, `__x64_sys_${target}`, 0, spec.section.startsWith('kretsyscall'))
  },

  raw_tracepoint(calls, attachment) {
    const { target, fd } = attachment
    const link = calls.bpf('raw_tracepoint_open', { name: cstring(target), prog_fd: fd })
    if (link < 0) {
      const known = calls
        .read(`${TRACEFS}/available_events`)!
        .trim()
        .split('\n')
        .map((event) => event.replace(/^.*:/, ''))
      fail(attachment, `failed to attach to raw tracepoint '${target}': ${errorText(link)}${suggest(target, known)}`)
    }
    return [link]
  },

  trace(calls, attachment) {
    const link = calls.bpf('link_create', { prog_fd: attachment.fd, attach_type: attachment.spec.expectedAttachType })
    if (link < 0) fail(attachment, `failed to attach: ${errorText(link)}`)
    return [link]
  },

  kprobe_multi(calls, attachment) {
    const { target, spec, fd } = attachment
    const pattern = globPattern(target)
    const found = functions(calls).filter((name) => pattern.test(name))
    if (found.length === 0)
      fail(attachment, `failed to attach: No such file or directory (ENOENT); no function matches '${target}'`)
    const link = calls.bpf('link_create', {
      prog_fd: fd,
      attach_type: ATTACH_TYPE.trace_kprobe_multi,
      kprobe_multi: {
        flags: spec.section.startsWith('kretprobe') ? BPF_F_KPROBE_MULTI_RETURN : 0,
        cnt: found.length,
        syms: namePointers(found),
        addrs: undefined,
        cookies: undefined,
      },
    })
    if (link < 0) fail(attachment, `failed to attach: ${errorText(link)}`)
    return [link]
  },

  kprobe_session: (_, attachment) => later(attachment, NOT_YET.kprobe_session),
  uprobe: (_, attachment) => later(attachment, NOT_YET.uprobe),
  uprobe_multi: (_, attachment) => later(attachment, NOT_YET.uprobe_multi),
  usdt: (_, attachment) => later(attachment, NOT_YET.usdt),
  lsm: (_, attachment) => later(attachment, NOT_YET.lsm),
  iter: (_, attachment) => later(attachment, NOT_YET.iter),
}

const BPF_F_KPROBE_MULTI_RETURN = 1

function fail({ spec }: Attachment, what: string): never {
  throw new UserError(`prog '${spec.name}': ${what}`)
}

function later(attachment: Attachment, what: string): never {
  return fail(attachment, `${what} (SEC("${attachment.spec.section}")) are not attached by this version of bpfsim`)
}

function attachKprobe(calls: Calls, attachment: Attachment, name: string, offset: number, isReturn: boolean): Attached {
  const what = isReturn ? 'kretprobe' : 'kprobe'
  const place = `'${name}+0x${offset.toString(16)}'`
  const attr = {
    type: PMU_TYPE.kprobe,
    config: isReturn ? 1n : 0n,
    kprobe_func: cstring(name),
    probe_offset: BigInt(offset),
  }
  const fd = calls.perfEventOpen(attr, 0)
  if (fd < 0) {
    const known = functions(calls)
    const near = known.includes(name) ? '' : suggest(name, known)
    fail(attachment, `failed to create ${what} ${place} perf event: ${errorText(fd)}${near}`)
  }
  return attachPerf(calls, attachment, fd, what)
}

/** BPF_LINK_CREATE on a perf event, which is enabled then. */
function attachPerf(calls: Calls, attachment: Attachment, perf: number, what: string): Attached {
  const link = calls.bpf('link_create', {
    prog_fd: attachment.fd,
    target_fd: perf,
    attach_type: ATTACH_TYPE.perf_event,
    perf_event: { bpf_cookie: 0n },
  })
  const error = link < 0 ? link : calls.ioctl(perf, PERF_IOC.enable)
  if (error < 0) {
    if (link >= 0) calls.close(link)
    calls.close(perf)
    fail(attachment, `failed to attach to ${what} '${attachment.target}': ${errorText(error)}`)
  }
  return [link, perf]
}

const functions = (calls: Calls): string[] => calls.read(`${TRACEFS}/available_filter_functions`)!.trim().split('\n')

/** libbpf's patterns: `*` is any text, `?` any character. */
function globPattern(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

/** An array of pointers to names. */
function namePointers(names: readonly string[]): Uint8Array {
  return cstring(names.join('\0'))
}
