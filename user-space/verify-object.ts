// `bpfsim verify`: the verdict on each program of an object, from files alone: no kernel is booted, maps are only described.

import { ERRNO } from '../base/errno.ts'
import type { KernelFacts } from '../base/facts.ts'
import type { MapFacts, ProgramInput, Verify } from '../ebpf-vm/program.ts'
import { KCONFIG } from './loader/kconfig.ts'
import { attachTarget } from './object/attach-target.ts'
import { CandidateFinder } from './object/core/candidates.ts'
import { explainLog } from './object/explain.ts'
import { LoadError, resolveExterns } from './object/externs-resolve.ts'
import { type LinkContext, linkProgram } from './object/link.ts'
import type { MapSpec, ObjectSpec, ProgramSpec } from './object/spec.ts'

/** One line of `bpfsim verify --json`. */
export interface VerifyRecord {
  readonly obj: string
  readonly prog: string
  readonly section: string
  readonly verdict: 'ACCEPT' | 'REJECT'
  /** 0, or a positive errno. */
  readonly errno: number
  readonly log: string
  /** Instructions handed to the verifier. */
  readonly insns: number
  /** Instructions that it processed. */
  readonly processed: number
  readonly verify_us: number
}

export interface VerifyObjectOptions {
  /** `--prog NAME`: only this one, also when it is not loaded by default. */
  readonly prog?: string
  readonly logLevel?: number
  /** BPF_F_* laid over the program's own. */
  readonly flags?: number
  /** Microseconds of any clock, for `verify_us`. */
  readonly nowUs: () => number
}

/** Every program that is loaded by default, in the object's order. */
export function* verifyObject(
  spec: ObjectSpec,
  facts: KernelFacts,
  verify: Verify,
  options: VerifyObjectOptions,
): Generator<VerifyRecord> {
  const programs = Object.values(spec.programs).filter(({ name, autoload }) =>
    options.prog === undefined ? autoload : name === options.prog,
  )
  for (const program of programs) {
    const record = { obj: spec.name, prog: program.name, section: program.section }
    try {
      yield { ...record, ...verifyProgram(spec, program, facts, verify, options) }
    } catch (error) {
      if (!(error instanceof LoadError)) throw error
      const { insns } = program.code
      const refused = { verdict: 'REJECT', errno: ERRNO.EINVAL, log: error.message } as const
      yield { ...record, ...refused, insns: insns.length, processed: 0, verify_us: 0 }
    }
  }
}

function verifyProgram(
  spec: ObjectSpec,
  program: ProgramSpec,
  facts: KernelFacts,
  verify: Verify,
  options: VerifyObjectOptions,
): Omit<VerifyRecord, 'obj' | 'prog' | 'section'> {
  if (program.type === 0)
    throw new LoadError(`prog '${program.name}': missing BPF prog type, check ELF section name '${program.section}'`)
  const { btf, modules, release } = facts
  if (!btf) throw new LoadError('the kernel has no BTF')
  const maps = mapFacts(spec)
  const target = { btf, modules, release, config: KCONFIG, symbolAddress: () => SOME_ADDRESS }
  const kconfig = spec.maps['.kconfig']?.data?.bytes.slice()
  const context: LinkContext = {
    spec,
    finder: spec.btf && new CandidateFinder(spec.btf, target),
    externs: resolveExterns(spec, target, kconfig),
    mapFd: (name) => fdOf(spec, name),
    moduleFd: (name) => {
      const index = modules.findIndex((module) => module.name === name) + 1
      return { fd: index, index }
    },
  }
  const linked = linkProgram(program, context)
  const input: ProgramInput = {
    name: program.name.slice(0, 15),
    type: program.type,
    expectedAttachType: program.expectedAttachType,
    insns: linked.insns,
    license: spec.license,
    flags: program.flags | (options.flags ?? 0),
    attachBtfId: attachTarget(program, btf),
    ...(spec.btf && {
      btf: spec.btf,
      funcInfo: [...linked.funcInfo],
      lineInfo: linked.lineInfo.map((line) => ({
        insn: line.insn,
        file: spec.btf!.string(line.fileOffset),
        text: spec.btf!.string(line.textOffset),
        line: line.lineColumn >>> 10,
        column: line.lineColumn & 0x3ff,
      })),
    }),
    mapByFd: (fd) => maps[fd - 1],
    btfByFdIndex: (index) => modules[index - 1],
  }
  const startUs = options.nowUs()
  const result = verify(input, facts, { logLevel: options.logLevel ?? 1 })
  const verify_us = Math.round(options.nowUs() - startUs)
  return {
    verdict: result.ok ? 'ACCEPT' : 'REJECT',
    errno: result.ok ? 0 : Math.abs(result.errno),
    log: explainLog(result.log, linked, spec.btf),
    insns: linked.insns.length,
    processed: result.stats.processed,
    verify_us,
  }
}

/** Any symbol has an address: which one does not change a verdict. */
const SOME_ADDRESS = 0xffffffff82000000n

const fdOf = (spec: ObjectSpec, name: string): number | undefined => {
  const index = Object.keys(spec.maps).indexOf(name)
  return index >= 0 && spec.maps[name]!.autocreate ? index + 1 : undefined
}

function mapFacts(spec: ObjectSpec): MapFacts[] {
  return Object.values(spec.maps).map((map, index) => factsOfMap(map, index + 1, spec))
}

function factsOfMap(map: MapSpec, id: number, spec: ObjectSpec): MapFacts {
  const readonly = map.data?.kind === 'rodata' || map.data?.kind === 'kconfig'
  return {
    id,
    name: map.kernelName.slice(0, 15),
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: Math.max(1, map.maxEntries),
    mapFlags: map.flags,
    address: 0,
    frozen: readonly,
    btf: spec.btf,
    btfKeyTypeId: map.keyType,
    btfValueTypeId: map.valueType,
    inner: map.inner && factsOfMap(map.inner, 0, spec),
    readonlyBytes: () => (readonly ? map.data?.bytes : undefined),
    directValue: 0,
  }
}
