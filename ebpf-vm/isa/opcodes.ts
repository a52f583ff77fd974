// The instruction set (RFC 9669 and what Linux added to it), as tables that every reader shares: decoder, encoder, assembler,
// disassembler, interpreter, verifier and compiler are exhaustive records over their keys.
//
// Opcode byte of the arithmetic and jump classes:      of the load and store classes:
//    7  6  5  4 | 3 | 2  1  0                             7  6  5 | 4  3 | 2  1  0
//   operation   |src| class                                mode   | size |  class
// `src` is 0 for an immediate (K) and 8 for a register (X).

/** Low three bits of the opcode. */
export const CLASS = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const

export const SRC_K = 0x00
export const SRC_X = 0x08

/** Arithmetic operations, with Linux's text for them. neg and end have forms of their own. */
export const ALU = {
  add: { code: 0x00, sign: '+=' },
  sub: { code: 0x10, sign: '-=' },
  mul: { code: 0x20, sign: '*=' },
  /** off 0 unsigned, off 1 signed (sdiv, cpu v4) */
  div: { code: 0x30, sign: '/=' },
  or: { code: 0x40, sign: '|=' },
  and: { code: 0x50, sign: '&=' },
  lsh: { code: 0x60, sign: '<<=' },
  rsh: { code: 0x70, sign: '>>=' },
  neg: { code: 0x80, sign: '= -' },
  /** off 0 unsigned, off 1 signed (smod, cpu v4) */
  mod: { code: 0x90, sign: '%=' },
  xor: { code: 0xa0, sign: '^=' },
  /** off 0 plain; 8, 16, 32 sign-extending (cpu v4); 1 with imm 1 or 65536 address-space casts (arena); -1 address of a per-CPU datum */
  mov: { code: 0xb0, sign: '=' },
  arsh: { code: 0xc0, sign: 's>>=' },
  /** byte swap: imm 16, 32, 64; alu/K to little endian, alu/X to big endian, alu64/K unconditional bswap (cpu v4) */
  end: { code: 0xd0, sign: '' },
} as const
export type AluName = keyof typeof ALU

/** Jumps. `test` is Linux's text of the comparison; ja, call, exit and may_goto (jcond) have forms of their own. */
export const JMP = {
  ja: { code: 0x00, test: '' },
  jeq: { code: 0x10, test: '==' },
  jgt: { code: 0x20, test: '>' },
  jge: { code: 0x30, test: '>=' },
  jset: { code: 0x40, test: '&' },
  jne: { code: 0x50, test: '!=' },
  jsgt: { code: 0x60, test: 's>' },
  jsge: { code: 0x70, test: 's>=' },
  call: { code: 0x80, test: '' },
  exit: { code: 0x90, test: '' },
  jlt: { code: 0xa0, test: '<' },
  jle: { code: 0xb0, test: '<=' },
  jslt: { code: 0xc0, test: 's<' },
  jsle: { code: 0xd0, test: 's<=' },
  /** conditional pseudo jump: src 0 is may_goto */
  jcond: { code: 0xe0, test: '' },
} as const
export type JmpName = keyof typeof JMP

/** Access sizes: the bits in the opcode, the bytes, Linux's name of the type. */
export const SIZE = {
  w: { code: 0x00, bytes: 4, type: 'u32' },
  h: { code: 0x08, bytes: 2, type: 'u16' },
  b: { code: 0x10, bytes: 1, type: 'u8' },
  dw: { code: 0x18, bytes: 8, type: 'u64' },
} as const
export type SizeName = keyof typeof SIZE

/** Access modes. Loads that the verifier turned into probes keep `mem`/`memsx`: VerifiedProgram.access says so. */
export const MODE = {
  imm: 0x00,
  abs: 0x20,
  ind: 0x40,
  mem: 0x60,
  memsx: 0x80,
  atomic: 0xc0,
} as const

/** Atomic operations, by the imm field of an STX | ATOMIC instruction. */
export const ATOMIC = {
  add: { imm: 0x00, sign: '+=' },
  or: { imm: 0x40, sign: '|=' },
  and: { imm: 0x50, sign: '&=' },
  xor: { imm: 0xa0, sign: '^=' },
  fetch_add: { imm: 0x01, sign: '' },
  fetch_or: { imm: 0x41, sign: '' },
  fetch_and: { imm: 0x51, sign: '' },
  fetch_xor: { imm: 0xa1, sign: '' },
  xchg: { imm: 0xe1, sign: '' },
  cmpxchg: { imm: 0xf1, sign: '' },
  load_acquire: { imm: 0x100, sign: '' },
  store_release: { imm: 0x110, sign: '' },
} as const
export type AtomicName = keyof typeof ATOMIC

/** src_reg of a 64-bit immediate load (LD | IMM | DW): what its immediate names (uapi BPF_PSEUDO_*). */
export const PSEUDO = {
  map_fd: 1,
  map_value: 2,
  btf_id: 3,
  func: 4,
  map_idx: 5,
  map_idx_value: 6,
} as const

/** src_reg of a call. */
export const CALL = { helper: 0, local: 1, kfunc: 2 } as const

export const MAX_INSNS = 1_000_000
export const MAX_STACK_BYTES = 512
export const MAX_CALL_FRAMES = 8
export const MAX_TAIL_CALLS = 33
