// What there is to attach to, as `bpftrace -l` lists it, and the other lists of the command line.

import type { Kernel } from '../kernel-sim/kernel.ts'
import { COMMON_FIELDS, type TracepointField } from '../kernel-sim/profiles/tracepoints.ts'

export interface AttachPoint {
  /** `tracepoint:syscalls:sys_enter_openat`, `kprobe:vfs_read`, `fentry:vmlinux:vfs_read`, `rawtracepoint:sched_switch` */
  readonly name: string
  /** Declarations of its arguments, one each: what `-v` shows. */
  readonly args: readonly string[]
}

/** Every attach point of a booted kernel, by kind and then by name. */
export function attachPoints(kernel: Kernel): AttachPoint[] {
  const points: AttachPoint[] = []
  for (const { name, prototype, traceable } of kernel.functions.all()) {
    if (!traceable) continue
    const args = prototype.params.map(({ declaration }) => declaration)
    const { type } = prototype.returns
    const result = type === 'void' ? [] : [`${type}${type.endsWith('*') ? '' : ' '}retval`]
    points.push({ name: `fentry:vmlinux:${name}`, args }, { name: `fexit:vmlinux:${name}`, args: [...args, ...result] })
    points.push({ name: `kprobe:${name}`, args: [] }, { name: `kretprobe:${name}`, args: [] })
  }
  for (const { system, name, record, params } of kernel.tracepoints.all()) {
    if (system !== 'syscalls')
      points.push({ name: `rawtracepoint:${name}`, args: params.map(({ declaration }) => declaration) })
    if (!record || record.id === 0) continue
    const common = new Set(COMMON_FIELDS.map((field) => field.name))
    points.push({
      name: `tracepoint:${system}:${name}`,
      args: record.fields.filter((field) => !common.has(field.name)).map(fieldText),
    })
  }
  return points.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function fieldText({ type, name, length }: TracepointField): string {
  return `${type}${type.endsWith('*') ? '' : ' '}${name}${length > 0 ? `[${length}]` : ''}`
}

/** Names that match a shell pattern (`*` and `?`), or contain the text when it has neither. */
export function matches(name: string, pattern: string): boolean {
  if (!/[*?]/.test(pattern)) return name.includes(pattern)
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name)
}
