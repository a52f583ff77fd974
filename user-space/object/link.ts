// Makes one program of an object ready for BPF_PROG_LOAD, as libbpf does: CO-RE relocations patched in, the subprograms it calls
// appended behind it (each once, in the order in which they are first called), calls, maps, data and externs resolved, function and
// line information moved along. The spec is left as it was: a program may be linked again for another kernel.

import { type Insn, isCall, isLdImm64, isLocalCall } from '../../ebpf-vm/isa/insn.ts'
import { CALL, CLASS, JMP, PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'
import type { CandidateFinder } from './core/candidates.ts'
import { CoreError, type CoreRelocation } from './core/kinds.ts'
import { patch } from './core/patch.ts'
import { resolve } from './core/resolve.ts'
import { LoadError, type ResolvedExtern } from './externs-resolve.ts'
import { INSN_BYTES } from './functions.ts'
import type { FunctionSpec, LineRecord, ObjectSpec, ProgramSpec, Relocation } from './spec.ts'

/** libbpf's helper numbers for what could not be resolved; the verifier says `invalid func unknown#…` if they are reached. */
export const POISON_MAP = 2001000000
export const POISON_KFUNC = 2002000000

/** What linking needs from the loader. */
export interface LinkContext {
  readonly spec: ObjectSpec
  /** Undefined where the object has no CO-RE relocations to resolve. */
  readonly finder: CandidateFinder | undefined
  readonly externs: ReadonlyMap<string, ResolvedExtern>
  /** File descriptor of a map; undefined for one that is not created. */
  mapFd(name: string): number | undefined
  /** File descriptor of a module's BTF, and its index in fd_array. */
  moduleFd(module: string): { readonly fd: number; readonly index: number }
}

export interface LinkedProgram {
  readonly insns: readonly Insn[]
  readonly funcInfo: readonly { readonly insn: number; readonly type: number }[]
  readonly lineInfo: readonly LineRecord[]
  /** CO-RE relocations by their final slot, to explain the verifier's log. */
  readonly core: ReadonlyMap<number, CoreRelocation>
  /** Names of maps and externs in the order of the numbers that poisoned calls carry. */
  readonly maps: readonly string[]
  readonly externs: readonly string[]
}

/** Throws LoadError, with libbpf's words, where libbpf refuses the program. */
export function linkProgram(program: ProgramSpec, context: LinkContext): LinkedProgram {
  return new Linker(program, context).link()
}

class Linker {
  readonly #program: ProgramSpec
  readonly #context: LinkContext
  readonly #insns: Insn[] = []
  readonly #funcInfo: { insn: number; type: number }[] = []
  readonly #lineInfo: LineRecord[] = []
  readonly #core = new Map<number, CoreRelocation>()
  readonly #relocations: Relocation[] = []
  /** Where each function was appended. */
  readonly #at = new Map<FunctionSpec, number>()
  readonly #maps: readonly string[]
  readonly #externs: readonly string[]

  constructor(program: ProgramSpec, context: LinkContext) {
    this.#program = program
    this.#context = context
    this.#maps = Object.keys(context.spec.maps)
    this.#externs = context.spec.externs.map(({ name }) => name)
  }

  link(): LinkedProgram {
    this.#append(this.#program.code)
    const handler = this.#exceptionCallback()
    if (handler && !this.#at.has(handler)) this.#append(handler)
    for (const relocation of this.#relocations) this.#relocateData(relocation)
    return {
      insns: this.#insns,
      funcInfo: this.#funcInfo,
      lineInfo: this.#lineInfo,
      core: this.#core,
      maps: this.#maps,
      externs: this.#externs,
    }
  }

  #fail(what: string): never {
    throw new LoadError(`prog '${this.#program.name}': ${what}`)
  }

  #append(code: FunctionSpec): void {
    const base = this.#insns.length
    this.#at.set(code, base)
    const insns = code.insns.map((insn) => ({ ...insn }))
    this.#relocateCore(code, insns)
    this.#insns.push(...insns)
    // Information that only some functions have would be refused: as soon as the program has none, the rest is left out.
    if (code === this.#program.code || this.#funcInfo.length > 0) {
      if (code !== this.#program.code && code.funcInfo.length === 0) this.#fail('missing .BTF.ext function info.')
      for (const info of code.funcInfo) this.#funcInfo.push({ ...info, insn: info.insn + base })
    }
    if (code === this.#program.code || this.#lineInfo.length > 0) {
      if (code !== this.#program.code && code.lineInfo.length === 0) this.#fail('missing .BTF.ext line info.')
      for (const info of code.lineInfo) this.#lineInfo.push({ ...info, insn: info.insn + base })
    }
    for (const relocation of code.relocations) this.#relocations.push({ ...relocation, insn: relocation.insn + base })
    for (const relocation of code.core) this.#core.set(relocation.insn + base, relocation)
    this.#relocateCalls(code, base)
  }

  #relocateCore(code: FunctionSpec, insns: Insn[]): void {
    const { finder, spec } = this.#context
    for (const relocation of code.core) {
      if (!finder || !spec.btf) this.#fail(`relo #${relocation.index}: the kernel has no BTF to resolve it against`)
      try {
        if (relocation.insn >= insns.length) throw new CoreError(`insn #${relocation.insn} is beyond the program`)
        patch(insns, relocation.insn, resolve(spec.btf, relocation, finder))
      } catch (error) {
        if (!(error instanceof CoreError)) throw error
        throw new LoadError(`prog '${code.name}': relo #${relocation.index}: ${error.message}`)
      }
    }
  }

  /** Calls and addresses of subprograms; a subprogram met for the first time is appended at once, before the next call is looked at. */
  #relocateCalls(code: FunctionSpec, base: number): void {
    const { functions } = this.#context.spec
    const relocations = new Map(code.relocations.map((each) => [each.insn, each]))
    for (let i = 0; i < code.insns.length; i++) {
      const insn = code.insns[i]!
      const relocation = relocations.get(i)
      if (relocation?.kind === 'extern_call' || (!relocation && staysWithin(code, insn, i))) continue
      let slot: number
      if (relocation?.kind === 'function') slot = (relocation.offset + insn.imm) / INSN_BYTES
      else if (isLdImm64(insn) && insn.src === PSEUDO.func) this.#fail(`missing subprog addr relo for insn #${i}`)
      else if (!isCall(insn) || !isLocalCall(insn)) continue
      else if (relocation?.kind === 'call') slot = relocation.offset / INSN_BYTES + insn.imm + 1
      else if (relocation) this.#fail(`unexpected relo for insn #${i}, type ${relocation.kind}`)
      else slot = code.start + i + insn.imm + 1
      const callee = functions.find((each) => slot >= each.start && slot < each.start + each.insns.length)
      if (!callee) this.#fail('no .text section found yet sub-program call exists')
      if (!this.#at.has(callee)) this.#append(callee)
      const target = this.#insns[base + i]!
      if (relocation?.kind === 'function') target.src = PSEUDO.func
      target.imm = this.#at.get(callee)! - (base + i) - 1
    }
  }

  /** The function that a declaration tag names as the program's exception callback. */
  #exceptionCallback(): FunctionSpec | undefined {
    const { btf, functions } = this.#context.spec
    const main = this.#program.code.funcInfo[0]?.type
    if (!btf || !main || btf.namesWith('exception_callback:').length === 0) return undefined
    for (const type of btf.types()) {
      if (type.kind !== 'decl_tag' || type.type !== main || type.componentIndex !== -1) continue
      const [mark, name] = type.name.split(':')
      if (mark !== 'exception_callback') continue
      const found = functions.find((each) => each.name === name)
      if (!found) this.#fail(`exception callback '${name}' not found`)
      return found
    }
    return undefined
  }

  #relocateData(relocation: Relocation): void {
    const insn = this.#insns[relocation.insn]!
    const next = this.#insns[relocation.insn + 1]
    switch (relocation.kind) {
      case 'map':
      case 'data': {
        const fd = this.#context.mapFd(relocation.map)
        if (fd === undefined) {
          this.#poison(relocation.insn, 2, POISON_MAP + this.#maps.indexOf(relocation.map))
          return
        }
        if (relocation.kind === 'data') next!.imm = insn.imm + relocation.offset
        if (relocation.kind === 'data') insn.src = PSEUDO.map_value
        else if (insn.src !== PSEUDO.map_value) insn.src = PSEUDO.map_fd
        insn.imm = fd
        return
      }
      case 'extern': {
        this.#relocateExtern(relocation.extern, insn, next!)
        return
      }
      case 'extern_call': {
        const extern = this.#context.externs.get(relocation.extern)
        if (extern?.kind !== 'btf') {
          this.#poison(relocation.insn, 1, POISON_KFUNC + this.#externs.indexOf(relocation.extern))
          return
        }
        insn.src = CALL.kfunc
        insn.imm = extern.id
        insn.off = extern.module === undefined ? 0 : this.#context.moduleFd(extern.module).index
        return
      }
      case 'call':
      case 'function':
        return
    }
  }

  #relocateExtern(name: string, insn: Insn, next: Insn): void {
    const extern = this.#context.externs.get(name) ?? { kind: 'missing' }
    switch (extern.kind) {
      case 'kconfig':
        insn.src = PSEUDO.map_value
        insn.imm = this.#context.mapFd('.kconfig') ?? 0
        next.imm = extern.offset
        return
      case 'btf':
        insn.src = PSEUDO.btf_id
        insn.imm = extern.id
        next.imm = extern.module === undefined ? 0 : this.#context.moduleFd(extern.module).fd
        return
      case 'address':
        insn.imm = Number(BigInt.asIntN(32, extern.address))
        next.imm = Number(BigInt.asIntN(32, extern.address >> 32n))
        return
      case 'missing':
        insn.imm = 0
        next.imm = 0
        return
    }
  }

  #poison(at: number, slots: number, helper: number): void {
    for (let i = at; i < at + slots; i++) {
      this.#insns[i] = { code: CLASS.jmp | JMP.call.code, dst: 0, src: 0, off: 0, imm: helper }
    }
  }
}

/** Assembled programs call and refer to functions of their own text: distances stay what they are. */
function staysWithin(code: FunctionSpec, insn: Insn, at: number): boolean {
  const refers = (isCall(insn) && isLocalCall(insn)) || (isLdImm64(insn) && insn.src === PSEUDO.func)
  const target = at + insn.imm + 1
  return refers && target >= 0 && target < code.insns.length
}
