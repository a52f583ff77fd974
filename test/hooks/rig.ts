// A booted kernel with its BPF side, and a loader that is root. Programs are assembled.

import { KERNEL_HI } from '../../base/memory.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { unverified } from '../../ebpf-vm/bare.ts'
import { encode, isLdImm64 } from '../../ebpf-vm/isa/insn.ts'
import { PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'
import type { Verify } from '../../ebpf-vm/program.ts'
import { ATTACH_TYPE, MAP_TYPE, type MapTypeName, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { BpfHost, type Toolchain } from '../../hooks/host.ts'
import { toolchain } from '../../hooks/toolchain.ts'
import type { AttrIn } from '../../hooks/uapi/bpf-attr.ts'
import { cstring } from '../../hooks/uapi/codec.ts'
import { PERF_IOC, PERF_TYPE, PMU_TYPE } from '../../hooks/uapi/perf.ts'
import { boot } from '../../kernel-sim/boot.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import { randomPlace } from '../../kernel-sim/mm/exec-image.ts'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import type { Task } from '../../kernel-sim/task/task.ts'
import type { Program } from '../../kernel-sim/user/api.ts'
import { UserArena } from '../../kernel-sim/user/arena.ts'
import { ProgramUser } from '../../kernel-sim/user/program.ts'
import type { UserSide } from '../../kernel-sim/user/user-side.ts'

/** Takes every program as it is: map descriptors become addresses, no access is proved. */
const trusting: Verify = (input) => {
  const insns = input.insns.map((insn) => ({ ...insn }))
  insns.forEach((insn, slot) => {
    if (!isLdImm64(insn) || (insn.src !== PSEUDO.map_fd && insn.src !== PSEUDO.map_value)) return
    const map = input.mapByFd(insn.imm, false)!
    insn.imm = insn.src === PSEUDO.map_fd ? map.address : map.directValue + insns[slot + 1]!.imm
    insns[slot + 1]!.imm = KERNEL_HI
    insn.src = 0
  })
  const program = {
    ...unverified(insns, input.name),
    type: input.type,
    expectedAttachType: input.expectedAttachType,
    attachBtfId: input.attachBtfId ?? 0,
    gplCompatible: true,
  }
  return { ok: true, program, log: 'trusted\n', stats: { processed: insns.length, peakStates: 0, totalStates: 0 } }
}

/** A user side that makes no calls of its own. */
const WAITING: UserSide = {
  next: () => ({ kind: 'idle', untilNs: Number.POSITIVE_INFINITY }),
  returned: () => {},
  handleSignal: () => {},
  executed: () => {},
  forked: () => WAITING,
  stack: () => [],
}

const ALL_TYPES = new Map(
  Object.values(PROG_TYPE)
    .slice(1)
    .map((type) => [type, undefined as never]),
)

export interface Rig {
  readonly kernel: Kernel
  readonly host: BpfHost
  readonly task: Task
  /** Load the assembled text; `maps` gives descriptors by name. */
  load(type: keyof typeof PROG_TYPE, text: string, maps?: Record<string, number>, more?: AttrIn<'prog_load'>): number
  u64(fd: number, key: number): bigint
  /** A map of `entries` u64 (or values of another size) by u32 keys. */
  map(type: MapTypeName, entries?: number, valueSize?: number): number
  /** Attach through a perf event: `tracepoint system:name`, `kprobe symbol` or `kretprobe symbol`; its descriptor. */
  perf(kind: 'tracepoint' | 'kprobe' | 'kretprobe', name: string, prog: number): number
  /** Bytes in the loader's memory; their address. */
  userBytes(bytes: Uint8Array): number
  /** open(2) by the loader. */
  open(path: string): number
  /** Attach a tracing program, loaded with target(), through a link; its descriptor. */
  link(prog: number, attachType: keyof typeof ATTACH_TYPE, cookie?: bigint): number
}

/** What BPF_PROG_LOAD needs for a tracing program on a function. */
export function target(r: Rig, attachType: keyof typeof ATTACH_TYPE, symbol: string): AttrIn<'prog_load'> {
  return {
    expected_attach_type: ATTACH_TYPE[attachType],
    attach_btf_id: r.kernel.profile.btf.find(symbol, 'func'),
  }
}

/** Adds `add` to the u64 in element 0 of map `counts`, after multiplying it by `factor`. */
export const note = (add: number, factor = 1): string => `
  *(u32 *)(r10 -4) = 0
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r1 = *(u64 *)(r0 +0)
  r1 *= ${factor}
  r1 += ${add}
  *(u64 *)(r0 +0) = r1
out:
  r0 = 0
  exit
`

/** Stores the u64 at `at` of the context in element 0 of map `counts`. */
export const keep = (at: number): string => `
  r6 = *(u64 *)(r1 +${at})
  *(u32 *)(r10 -4) = 0
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  *(u64 *)(r0 +0) = r6
out:
  r0 = 0
  exit
`

/** `trust`: programs are taken as they are, whatever the verifier would say. */
export function rig(how: 'verify' | 'trust' = 'verify', version = '6.12'): Rig {
  const kernel = boot({ profile: profileFor(version) })
  const trusted: Toolchain = {
    ...toolchain,
    verify: trusting,
    facts: (host, capabilities) => ({ ...toolchain.facts(host, capabilities), programTypes: ALL_TYPES }),
  }
  const host = new BpfHost(kernel, { toolchain: how === 'trust' ? trusted : toolchain })
  const task = kernel.spawn({ comm: 'loader', mm: image(kernel), user: WAITING })
  kernel.run()
  // Kernel code that a test calls runs for the loader.
  kernel.current = task
  return {
    kernel,
    host,
    task,
    load(type, text, maps = {}, more = {}) {
      const { insns } = assemble(text, { maps })
      const log = new Uint8Array(1 << 20)
      const attr = {
        prog_type: PROG_TYPE[type],
        insns: encode(insns),
        insn_cnt: insns.length,
        license: cstring('GPL'),
        log_level: 1,
        log_buf: log,
        log_size: log.length,
      }
      const fd = host.bpf(task, 'prog_load', { ...attr, ...more })
      if (fd < 0) throw new Error(`${fd}: ${String.fromCharCode(...log.subarray(0, log.indexOf(0)))}`)
      return fd
    },
    u64(fd, key) {
      const value = new Uint8Array(8)
      const keyBytes = new Uint8Array(Uint32Array.of(key).buffer)
      const result = host.bpf(task, 'map_lookup_elem', { map_fd: fd, key: keyBytes, value })
      if (result !== 0) throw new Error(`lookup: ${result}`)
      return new DataView(value.buffer).getBigUint64(0, true)
    },
    map(type, entries = 1, valueSize = 8) {
      const attr = { map_type: MAP_TYPE[type], key_size: 4, value_size: valueSize, max_entries: entries }
      return host.bpf(task, 'map_create', attr)
    },
    perf(kind, name, prog) {
      const attr =
        kind === 'tracepoint'
          ? { type: PERF_TYPE.tracepoint, config: BigInt(kernel.tracepoints.get(name)!.record!.id) }
          : { type: PMU_TYPE.kprobe, config: kind === 'kretprobe' ? 1n : 0n, kprobe_func: cstring(name) }
      const event = host.perfEventOpen(task, attr, -1, 0, -1, 0)
      if (event < 0) return event
      const result = host.ioctl(task, event, PERF_IOC.set_bpf, prog)
      return result < 0 ? result : event
    },
    userBytes: (bytes) => new UserArena(task).place(bytes),
    open(path) {
      const name = new UserArena(task).place(cstring(path))
      return kernel.as(task, () => kernel.vfs.open.doSysOpen(-100, name, 0, 0) as number)
    },
    link(prog, attachType, cookie = 0n) {
      const attach_type = ATTACH_TYPE[attachType]
      return host.bpf(task, 'link_create', { prog_fd: prog, attach_type, tracing: { target_btf_id: 0, cookie } })
    },
  }
}

/** Run a program as a process until nothing more happens. */
export function run(r: Rig, body: Program): void {
  start(r, body)
  const end = r.kernel.run()
  if (end !== 'idle') throw new Error(`the kernel stopped at ${end}`)
}

/** Make a process of a program; it runs when the kernel does. */
export function start({ kernel }: Rig, body: Program): void {
  const context = {
    workload: 'test',
    seed: 1,
    programs: {},
    syscallNumber: (name: string) => kernel.syscalls.numberOf(name),
  }
  const mm = image(kernel)
  kernel.spawn({ comm: 'test', mm, user: (task) => new ProgramUser(context, task, body, ['test']) })
}

/** An address space with a stack. */
function image(kernel: Kernel) {
  const mm = kernel.memory.newMm()
  kernel.memory.load(mm, {
    filename: '/usr/bin/test',
    argv: ['test'],
    envp: [],
    file: undefined,
    fileBytes: 0,
    place: randomPlace((low) => low),
    ids: { uid: 0, euid: 0, gid: 0, egid: 0 },
    random: () => 1,
  })
  return mm
}
