// What user space reads to find out where programs can sit: /sys/kernel/tracing, /proc/kallsyms, the PMUs under
// /sys/bus/event_source, vmlinux BTF, and the switches under /proc/sys. Texts are made when they are read.
// Partly there: `print fmt` of events other than system calls is empty (their formats are C expressions, which BTF does not carry);
// kprobe_events and uprobe_events are empty and take no definitions: probes are made through perf_event_open(2).

import { kernelAddress } from '../base/memory.ts'
import { Machine } from '../ebpf-vm/machine.ts'
import { COMMON_FIELDS, type TracepointField, type TracepointRecord } from '../kernel-sim/profiles/tracepoints.ts'
import { TEXT_BYTES, TEXT_START } from '../kernel-sim/trace/function.ts'
import type { BpfHost } from './host.ts'
import { tagText } from './objects/prog.ts'
import { PERF_TYPE, PMU_TYPE } from './uapi/perf.ts'

export const TRACEFS = '/sys/kernel/tracing'

type Content = string | Uint8Array

/** Files whose path does not depend on the kernel, by path. */
const FIXED: Readonly<Record<string, (host: BpfHost) => Content>> = {
  [`${TRACEFS}/available_events`]: (host) => eventNames(host).join('\n') + '\n',
  [`${TRACEFS}/available_filter_functions`]: (host) => probeableFunctions(host).join('\n') + '\n',
  [`${TRACEFS}/available_filter_functions_addrs`]: (host) =>
    probeableFunctions(host)
      .map((name) => `${textAddress(host.kernel.functions.addressOf(name))} ${name}\n`)
      .join(''),
  [`${TRACEFS}/kprobe_events`]: () => '',
  [`${TRACEFS}/uprobe_events`]: () => '',
  [`${TRACEFS}/trace_clock`]: () => '[local] global counter uptime perf mono mono_raw boot tai x86-tsc\n',
  '/proc/kallsyms': kallsyms,
  '/sys/kernel/btf/vmlinux': (host) => host.vmlinux.bytes,
  '/sys/bus/event_source/devices/kprobe/type': () => `${PMU_TYPE.kprobe}\n`,
  '/sys/bus/event_source/devices/kprobe/format/retprobe': () => 'config:0\n',
  '/sys/bus/event_source/devices/software/type': () => `${PERF_TYPE.software}\n`,
  '/sys/bus/event_source/devices/tracepoint/type': () => `${PERF_TYPE.tracepoint}\n`,
  '/proc/sys/kernel/unprivileged_bpf_disabled': () => '2\n',
  '/proc/sys/kernel/bpf_stats_enabled': (host) => `${host.runner.statistics > 0 ? 1 : 0}\n`,
  '/proc/sys/kernel/perf_event_paranoid': () => '3\n',
  '/proc/sys/kernel/perf_event_max_stack': () => '127\n',
  '/proc/sys/net/core/bpf_jit_enable': () => '1\n',
}

export const FIXED_PATHS: readonly string[] = Object.keys(FIXED)

/** Every path of tracefs, the per-event files among them. */
export function* tracefsPaths(host: BpfHost): Generator<string> {
  yield* FIXED_PATHS.filter((path) => path.startsWith(TRACEFS))
  for (const { system, name } of traceEvents(host)) {
    for (const file of ['id', 'format', 'enable']) yield `${TRACEFS}/events/${system}/${name}/${file}`
  }
}

/** The content of one of these files; undefined for any other path. /sys/kernel/debug/tracing is the same place. */
export function readTracefs(host: BpfHost, path: string): Content | undefined {
  const at = path.replace(/^\/sys\/kernel\/debug\/tracing\//, `${TRACEFS}/`)
  const fixed = FIXED[at]
  if (fixed) return fixed(host)
  const [, system = '', name = '', file] =
    /^\/sys\/kernel\/tracing\/events\/(\w+)\/(\w+)\/(id|format|enable)$/.exec(at) ?? []
  const record = host.kernel.tracepoints.get(`${system}:${name}`)?.record
  if (!record || !file) return undefined
  if (file === 'id') return `${record.id}\n`
  return file === 'format' ? formatFile(record) : '0\n'
}

/** Trace events of this kernel that it announces. */
function* traceEvents(host: BpfHost): Generator<TracepointRecord> {
  for (const { record } of host.kernel.tracepoints.all()) if (record && record.system !== '') yield record
}

const eventNames = (host: BpfHost): string[] =>
  Array.from(traceEvents(host), ({ system, name }) => `${system}:${name}`).sort()

/** Functions that kprobes and fprobes accept: those that are modelled and, without ever firing, those that the kernel only has. */
function probeableFunctions(host: BpfHost): string[] {
  const { functions } = host.kernel
  return functions.symbols().filter((name) => functions.get(name)?.traceable ?? true)
}

/** Per-CPU variables (their offset in each CPU's unit), and the tables of file operations and the like. */
function dataSymbols(host: BpfHost): Map<string, bigint> {
  const { percpu, vfs } = host.kernel
  const symbols = new Map<string, bigint>()
  for (const [name, { offset }] of percpu.symbols()) symbols.set(name, BigInt(offset))
  for (const [name, offset] of vfs.symbols()) symbols.set(name, kernelAddress(offset))
  return symbols
}

/** The address of a kernel symbol, text or data, as /proc/kallsyms has it. */
export function symbolAddress(host: BpfHost, name: string): bigint | undefined {
  const low = host.kernel.functions.addressOf(name)
  return low === 0 ? dataSymbols(host).get(name) : BigInt(low >>> 0) | 0xffffffff_00000000n
}

const textAddress = (low: number): string => `ffffffff${(low >>> 0).toString(16).padStart(8, '0')}`

/** Text symbols by address, data symbols, then the functions of loaded programs. */
function kallsyms(host: BpfHost): string {
  const { functions } = host.kernel
  let text = ''
  functions.symbols().forEach((name, index) => {
    text += `${textAddress(TEXT_START + index * TEXT_BYTES)} T ${name}\n`
  })
  for (const [name, address] of dataSymbols(host)) text += `${address.toString(16).padStart(16, '0')} D ${name}\n`
  for (const prog of host.progs.values()) {
    const address = textAddress(Machine.addressOf(prog.loaded.slot))
    text += `${address} t bpf_prog_${tagText(prog.tag)}_${prog.name}\t[bpf]\n`
  }
  return text
}

/** events/SYSTEM/NAME/format */
export function formatFile(record: TracepointRecord): string {
  return (
    `name: ${record.name}\nID: ${record.id}\nformat:\n` +
    COMMON_FIELDS.map(fieldLine).join('') +
    '\n' +
    record.fields.map(fieldLine).join('') +
    `\nprint fmt: ${printFormat(record)}\n`
  )
}

function fieldLine({ name, type, length, offset, sizeBytes, signed }: TracepointField): string {
  const declaration = length > 0 ? `${type} ${name}[${length}]` : `${type} ${name}`
  return `\tfield:${declaration};\toffset:${offset};\tsize:${sizeBytes};\tsigned:${signed ? 1 : 0};\n`
}

function printFormat({ system, name, fields }: TracepointRecord): string {
  if (system !== 'syscalls') return '""'
  if (name.startsWith('sys_exit_')) return '"0x%lx", REC->ret'
  const args = fields.slice(1)
  const format = args.map((arg) => `${arg.name}: 0x%08lx`).join(', ')
  return [`"${format}"`, ...args.map((arg) => `((unsigned long)(REC->${arg.name}))`)].join(', ')
}
