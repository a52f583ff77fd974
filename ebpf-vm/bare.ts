// The machine without a kernel around it, and programs that no verifier has seen: for trying the instruction set out, for conformance
// suites and tests. Nothing is proved of such a program, so every access is checked when it is made, against all of the machine's memory.

import { Allocator } from '../base/allocator.ts'
import { UserError } from '../base/errors.ts'
import { silent } from '../base/logger.ts'
import { KernelMemory } from '../base/memory.ts'
import { Rng } from '../base/rng.ts'
import { BPF_FUNC_TAIL_CALL } from './helper.ts'
import { arenaKfuncs } from './helpers/impl/arena.ts'
import { plainHelpers, plainKfuncs } from './helpers/impl/plain.ts'
import { classify } from './isa/forms.ts'
import type { Insn } from './isa/insn.ts'
import { ALU, CLASS, MAX_STACK_BYTES } from './isa/opcodes.ts'
import { malformed } from './isa/wellformed.ts'
import { type Engine, type HelperTables, Machine } from './machine.ts'
import type { Subprogram, VerifiedProgram } from './program.ts'

export interface BareOptions {
  /** Default 4 MiB, at least 1 MiB. */
  readonly memoryBytes?: number
  /** Helpers, kfuncs and packet loads beside the helpers that need no kernel. */
  readonly tables?: (machine: Machine) => Partial<HelperTables>
}

/** One CPU, no tasks; the clock stands still but for what programs are charged. */
export function bareMachine({ memoryBytes = 4 << 20, tables }: BareOptions = {}): Machine {
  const mem = new KernelMemory(memoryBytes)
  const rng = new Rng(1)
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
    random: () => rng.u32(),
  }
  return new Machine(platform, (machine) => ({
    helpers: plainHelpers(machine),
    kfuncs: new Map([...plainKfuncs, ...arenaKfuncs(machine)]),
    ...tables?.(machine),
  }))
}

/**
 * Instructions as a program of which nothing is proved. Functions start at slot 0, and where local calls and function references
 * point; each gets a whole BPF stack. Throws UserError for what is no program at all.
 */
export function unverified(insns: readonly Insn[], name = 'prog'): VerifiedProgram {
  const wrong = malformed(insns)
  if (wrong) throw new UserError(`${name}: ${wrong}`)
  const forms = insns.map(classify)
  const callbacks = new Set<number>()
  const starts = new Set([0])
  let hasTailCall = false
  insns.forEach((insn, slot) => {
    const form = forms[slot]
    const target = slot + 1 + insn.imm
    if (form?.kind === 'call' && form.target === 'local') starts.add(target)
    if (form?.kind === 'call' && form.target === 'helper') hasTailCall ||= insn.imm === BPF_FUNC_TAIL_CALL
    if (form?.kind !== 'ld_imm64' || form.pseudo !== 'func') return
    starts.add(target)
    callbacks.add(target)
  })
  const ordered = [...starts].sort((a, b) => a - b)
  const subprograms = ordered.map<Subprogram>((start, i) => ({
    name: i === 0 ? name : `${name}_${i}`,
    start,
    end: ordered[i + 1] ?? insns.length,
    stackBytes: MAX_STACK_BYTES,
    isCallback: callbacks.has(start),
    isAsyncCallback: false,
    isExceptionCallback: false,
  }))
  return {
    name,
    type: 0,
    expectedAttachType: 0,
    insns: insns.map((insn, slot) => {
      const form = forms[slot]
      const isReference = form?.kind === 'ld_imm64' && form.pseudo === 'func'
      return isReference ? { ...insn, imm: ordered.indexOf(slot + 1 + insn.imm) } : insn
    }),
    access: insns.map(() => 'unproved'),
    calls: new Map(),
    subprograms,
    maps: [],
    kfuncs: new Map(),
    gplCompatible: true,
    sleepable: false,
    hasTailCall,
    maxCtxOffset: 0,
    attachBtfId: 0,
    original: insns,
    originalIndex: insns.map((_, slot) => slot),
  }
}

export interface BareRun {
  readonly r0: bigint
  /** The memory afterwards. */
  readonly memory: Uint8Array
}

/**
 * Run instructions on a machine of their own: r1 = address of a copy of `memory` (0 when it is empty), r2 = its length. It is also
 * the packet of legacy packet loads. Throws Fault for what the program may not do.
 */
export function runBare(engine: Engine, insns: readonly Insn[], memory: Uint8Array = new Uint8Array()): BareRun {
  let at = 0
  const machine = bareMachine({
    tables: ({ mem }) => ({
      loadPacket: (_, offset, bytes) => {
        if (offset < 0 || offset + bytes > memory.length) return -1
        const packet = new DataView(mem.buffer, at + offset, bytes)
        if (bytes === 4) return packet.getUint32(0)
        return bytes === 2 ? packet.getUint16(0) : packet.getUint8(0)
      },
    }),
  })
  if (memory.length > 0) at = machine.alloc.alloc(memory.length)
  machine.mem.u8.set(memory, at)
  // Functions are entered with one argument, so the length is an instruction in front of the program's.
  const length: Insn = { code: CLASS.alu64 | ALU.mov.code, dst: 2, src: 0, off: 0, imm: memory.length }
  const wrong = malformed(insns)
  if (wrong) throw new UserError(wrong)
  const program = unverified([length, ...insns])
  const loaded = engine.load(machine, { ...program, original: insns, originalIndex: [0, ...insns.keys()] })
  return { r0: loaded.runWide(at), memory: machine.mem.bytes(at, memory.length) }
}
