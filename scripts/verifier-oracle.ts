// npm run oracle:verifier -- DIR [--id N] [--show KIND]
// Runs the verifier on programs that a running kernel was asked about and compares: verdict, messages, processed instructions.
// DIR holds progs.jsonl (programs as the kernel received them), oracle.jsonl (its verdicts), logs.jsonl (its logs at level 2) and,
// where there is one, tests.jsonl (expected parts of the log). The kernel's BTF is read from /sys/kernel/btf/vmlinux or --btf FILE.

import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Btf } from '../base/btf/btf.ts'
import { BtfBuilder } from '../base/btf/encode.ts'
import { decode } from '../ebpf-vm/isa/insn.ts'
import type { MapFacts, ProgramInput, VerifyResult } from '../ebpf-vm/program.ts'
import { factsFor } from '../ebpf-vm/verifier/facts.ts'
import { verify } from '../ebpf-vm/verifier/verify.ts'

interface ProgRecord {
  id?: number
  obj?: string
  prog?: string
  prog_type: number
  expected_attach_type: number
  prog_flags: number
  license: string
  attach_btf_id: number
  insns: string
  maps: MapRecord[]
  func_info: [number, number][]
  btf_file?: string
}
interface MapRecord {
  type: number
  key_size: number
  value_size: number
  max_entries: number
  map_flags: number
  name?: string
  btf_key_type_id?: number
  btf_value_type_id?: number
  inner?: MapRecord
  value?: string
}
interface OracleRecord {
  id?: number
  obj?: string
  prog?: string
  name?: string
  verdict: 'ACCEPT' | 'REJECT'
  errno: number
  processed: number
  captured?: boolean
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    btf: { type: 'string', default: '/sys/kernel/btf/vmlinux' },
    id: { type: 'string' },
    show: { type: 'string', default: '' },
    diff: { type: 'boolean', default: false },
  },
})
const [dir] = positionals
if (!dir) {
  console.error(
    'usage: npm run oracle:verifier -- DIR [--btf FILE] [--id N] [--show verdict|message|processed|log] [--diff]',
  )
  process.exit(2)
}

const lines = <T>(name: string): T[] =>
  existsSync(`${dir}/${name}`)
    ? readFileSync(`${dir}/${name}`, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T)
    : []
const keyOf = (row: { id?: number; obj?: string; prog?: string }): string =>
  row.id !== undefined ? String(row.id) : `${row.obj}:${row.prog}`

const vmlinux = Btf.parse(readFileSync(flags.btf))
const facts = factsFor({ release: '6.18', btf: vmlinux, cpus: cpus().length })
const mapsBtf = existsSync(`${dir}/maps.btf`) ? Btf.parse(readFileSync(`${dir}/maps.btf`)) : undefined
const objectBtf = new Map<string, Btf | undefined>()
function btfOf(record: ProgRecord): Btf | undefined {
  if (!record.obj) return mapsBtf
  const file = `${dir}/${record.obj}.btf`
  if (!objectBtf.has(file)) objectBtf.set(file, existsSync(file) ? Btf.parse(readFileSync(file)) : undefined)
  return objectBtf.get(file)
}

let nextId = 1
function mapFacts(record: MapRecord, btf: Btf | undefined): MapFacts {
  const id = nextId++
  const bytes = record.value === undefined ? undefined : new Uint8Array(Buffer.from(record.value, 'hex'))
  return {
    id,
    name: record.name ?? '',
    type: record.type,
    keySize: record.key_size,
    valueSize: record.value_size,
    maxEntries: record.max_entries,
    mapFlags: record.map_flags,
    address: 0x100000 + id * 0x400,
    frozen: (record.map_flags & (1 << 7)) !== 0,
    btf: record.btf_value_type_id ? btf : undefined,
    btfKeyTypeId: record.btf_key_type_id ?? 0,
    btfValueTypeId: record.btf_value_type_id ?? 0,
    inner: record.inner ? mapFacts(record.inner, btf) : undefined,
    ...(bytes ? { readonlyBytes: () => bytes } : {}),
    directValue: 0x200000 + id * 0x10000,
  }
}

/** Static functions under every type id from 3: the self-tests' own BTF is not among what was recorded. */
function functionsBtf(): Btf {
  const builder = new BtfBuilder()
  builder.add({ kind: 'int', name: 'int', size: 4, signed: true, char: false, bool: false, bitOffset: 0, bits: 32 })
  builder.add({ kind: 'func_proto', name: '', returnType: 1, params: [] })
  for (let id = 3; id < 16; id++) builder.add({ kind: 'func', name: `f${id}`, type: 2, linkage: 'static' })
  return builder.build()
}

function inputOf(record: ProgRecord): ProgramInput {
  const own = btfOf(record)
  const missing = record.func_info.some(([, type]) => !own || type >= own.count || own.type(type).kind !== 'func')
  const btf = missing ? functionsBtf() : own
  const maps = record.maps.map((map) => mapFacts(map, btf))
  return {
    name: record.prog ?? 'test',
    type: record.prog_type,
    expectedAttachType: record.expected_attach_type,
    insns: decode(Buffer.from(record.insns, 'hex')),
    license: record.license,
    flags: record.prog_flags,
    btf: record.func_info.length ? btf : undefined,
    funcInfo: record.func_info.length ? record.func_info.map(([insn, type]) => ({ insn, type })) : undefined,
    attachBtfId: record.attach_btf_id || undefined,
    mapByFd: (fd) => maps[fd],
  }
}

/** Addresses and times vary; empty lines and the harness's additions do not count. */
const normal = (text: string): string =>
  text.replace(/0xffff[0-9a-f]{12}\b/g, '0xADDR').replace(/verification time \d+ usec\n/, '')

/** The line that tells why: the last one before the statistics. */
function errorLine(log: string): string {
  const rows = log.split('\n').filter((row) => row && !/^(verification time|stack depth|processed) /.test(row))
  return rows[rows.length - 1] ?? ''
}

const progs = new Map(lines<ProgRecord>('progs.jsonl').map((row) => [keyOf(row), row]))
const logs = new Map(
  lines<{ id?: number; obj?: string; prog?: string; log: string; truncated: boolean; log_level: number }>(
    'logs.jsonl',
  ).map((row) => [keyOf(row), row]),
)
const tests = new Map(
  lines<{ id: number; errstr: string | null; name: string }>('tests.jsonl').map((row) => [String(row.id), row]),
)

const totals = {
  programs: 0,
  verdicts: 0,
  rejected: 0,
  messages: 0,
  accepted: 0,
  within: 0,
  exact: 0,
  logs: 0,
  thrown: 0,
}
for (const oracle of lines<OracleRecord>('oracle.jsonl')) {
  const key = keyOf(oracle)
  const record = progs.get(key)
  const reference = logs.get(key)
  if (!record || !reference) continue
  // -EPERM before the verifier ran says nothing about the program.
  if (oracle.verdict === 'REJECT' && oracle.errno === 1 && !reference.log) continue
  if (flags.id !== undefined && flags.id !== key) continue
  totals.programs++
  let result: VerifyResult
  try {
    result = verify(inputOf(record), facts, { logLevel: reference.log_level })
  } catch (error) {
    totals.thrown++
    console.log(
      `THROWN ${key} ${oracle.name ?? ''}: ${error instanceof Error ? error.stack?.split('\n').slice(0, 4).join(' | ') : String(error)}`,
    )
    continue
  }
  const verdict = result.ok ? 'ACCEPT' : 'REJECT'
  const same = verdict === oracle.verdict
  if (same) totals.verdicts++
  else if (/verdict|all/.test(flags.show))
    console.log(
      `VERDICT ${key} ${oracle.name ?? ''}: kernel ${oracle.verdict} ${oracle.errno}, ours ${verdict}: ${errorLine(result.log)} | kernel: ${errorLine(reference.log)}`,
    )
  const ours = normal(result.log)
  const theirs = normal(reference.log)
  if (ours === theirs) totals.logs++
  else if (/log/.test(flags.show)) {
    const a = ours.split('\n')
    const b = theirs.split('\n')
    const at = a.findIndex((row, i) => row !== b[i])
    console.log(`LOG ${key} ${oracle.name ?? ''} line ${at}\n   ours   ${a[at]}\n   kernel ${b[at]}`)
  }
  if (oracle.verdict === 'REJECT') {
    totals.rejected++
    const parts = [errorLine(reference.log)]
    const expected = tests.get(key)?.errstr
    if (expected) for (const part of expected.split('\t')) if (reference.log.includes(part)) parts.push(part)
    const found = parts.every((part) => ours.includes(normal(part)))
    if (found && same) totals.messages++
    else if (/message|all/.test(flags.show) && same)
      console.log(
        `MESSAGE ${key} ${oracle.name ?? ''}\n   ours   ${errorLine(result.log)}\n   kernel ${parts.join(' / ')}`,
      )
  } else if (same) {
    totals.accepted++
    if (result.stats.processed === oracle.processed) totals.exact++
    const close = Math.abs(result.stats.processed - oracle.processed) <= oracle.processed * 0.1
    if (close) totals.within++
    else if (/processed|all/.test(flags.show))
      console.log(`PROCESSED ${key} ${oracle.name ?? ''}: kernel ${oracle.processed}, ours ${result.stats.processed}`)
  }
  if (flags.diff) {
    console.log(ours)
    console.log('---------------- kernel')
    console.log(theirs)
  }
}
const percent = (n: number, of: number): string => (of === 0 ? '-' : `${((100 * n) / of).toFixed(1)} %`)
console.log(`programs            ${totals.programs} (${totals.thrown} thrown)`)
console.log(`verdicts equal      ${totals.verdicts}  ${percent(totals.verdicts, totals.programs)}`)
console.log(
  `messages found      ${totals.messages} of ${totals.rejected}  ${percent(totals.messages, totals.rejected)}`,
)
console.log(
  `processed within 10 % ${totals.within} of ${totals.accepted}  ${percent(totals.within, totals.accepted)}; exact ${totals.exact}`,
)
console.log(`whole logs equal    ${totals.logs}  ${percent(totals.logs, totals.programs)}`)
