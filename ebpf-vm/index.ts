// bpfsim/vm: the BPF machine by itself, without a kernel around it.

export { type Assembled, type AssembleOptions, assemble, type Relocation } from './asm/assemble.ts'
export { disassemble, type Names } from './disasm/disasm.ts'
export { decode, encode, type Insn } from './isa/insn.ts'
