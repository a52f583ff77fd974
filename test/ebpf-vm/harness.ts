// A machine without a kernel around it, and programs that no verifier has seen: every access is checked when it is made.

import { Allocator } from '../../base/allocator.ts'
import { silent } from '../../base/logger.ts'
import { KernelMemory } from '../../base/memory.ts'
import { classify } from '../../ebpf-vm/isa/forms.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import { MAX_STACK_BYTES } from '../../ebpf-vm/isa/opcodes.ts'
import { type HelperTables, Machine } from '../../ebpf-vm/machine.ts'
import type { Subprogram, VerifiedProgram } from '../../ebpf-vm/program.ts'

const MEMORY_BYTES = 4 << 20

/** A machine on 4 MiB of memory; its clock stands still but for what programs are charged. */
export function testMachine(tables: (machine: Machine) => Partial<HelperTables> = () => ({})): Machine {
  const mem = new KernelMemory(MEMORY_BYTES)
  let timeNs = 0
  const platform = {
    mem,
    alloc: new Allocator(mem),
    log: silent,
    cpus: 1,
    cpu: () => 0,
    nowNs: () => timeNs,
    currentTask: () => 0,
    charge: (ns: number) => {
      timeNs += ns
    },
    random: () => 4,
  }
  return new Machine(platform, (machine) => ({ helpers: new Map(), kfuncs: new Map(), ...tables(machine) }))
}

/** Wraps instructions as a program of which nothing is proved. Functions start at slot 0 and where local calls and references point. */
export function unverified(insns: readonly Insn[], name = 'test'): VerifiedProgram {
  const callbacks = new Set<number>()
  const starts = new Set([0])
  insns.forEach((insn, slot) => {
    const form = classify(insn)
    if (form?.kind === 'call' && form.target === 'local') starts.add(slot + 1 + insn.imm)
    if (form?.kind === 'ld_imm64' && form.pseudo === 'func') {
      starts.add(slot + 1 + insn.imm)
      callbacks.add(slot + 1 + insn.imm)
    }
  })
  const ordered = [...starts].filter((start) => start >= 0 && start < insns.length).sort((a, b) => a - b)
  const subprograms = ordered.map<Subprogram>((start, i) => ({
    name: i === 0 ? name : `${name}_${i}`,
    start,
    end: ordered[i + 1] ?? insns.length,
    stackBytes: MAX_STACK_BYTES,
    isCallback: callbacks.has(start),
    isAsyncCallback: false,
    isExceptionCallback: false,
  }))
  const resolved = insns.map((insn, slot) => {
    const form = classify(insn)
    return form?.kind === 'ld_imm64' && form.pseudo === 'func'
      ? { ...insn, imm: ordered.indexOf(slot + 1 + insn.imm) }
      : insn
  })
  return {
    name,
    type: 0,
    expectedAttachType: 0,
    insns: resolved,
    access: resolved.map(() => 'unproved'),
    calls: new Map(),
    subprograms,
    maps: [],
    kfuncs: new Map(),
    gplCompatible: true,
    sleepable: false,
    hasTailCall: insns.some((insn) => {
      const form = classify(insn)
      return form?.kind === 'call' && form.target === 'helper' && insn.imm === 12
    }),
    attachBtfId: 0,
    original: insns,
    originalIndex: insns.map((_, slot) => slot),
  }
}
