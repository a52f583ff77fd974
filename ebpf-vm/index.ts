// bpfsim/vm: the BPF machine by itself, without a kernel around it. A program in text, run:
//   runBare(interpreter, assemble('r0 = 5\nexit').insns).r0   // 5n

export { type Assembled, type AssembleOptions, assemble, type Relocation } from './asm/assemble.ts'
export { type BareOptions, type BareRun, bareMachine, runBare, unverified } from './bare.ts'
export { disassemble, type Names } from './disasm/disasm.ts'
export { ENGINES } from './engines.ts'
export { Fault } from './fault.ts'
export { interpreter } from './interpreter/interpreter.ts'
export { Stepper, type StepView, type Touched } from './interpreter/stepper.ts'
export { decode, encode, type Insn } from './isa/insn.ts'
export type { Engine, LoadedProgram, Machine } from './machine.ts'
export type { VerifiedProgram } from './program.ts'
