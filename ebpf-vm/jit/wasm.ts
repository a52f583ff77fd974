// A small WebAssembly encoder: the opcodes that the compiler uses, function bodies, and the module around them (WebAssembly core
// specification, chapter 5). 64-bit constants are int32 halves.

/** Value types as the binary format has them. */
export const I32 = 0x7f
export const I64 = 0x7e
export type ValueType = typeof I32 | typeof I64
/** Block type of a block without a result. */
const VOID = 0x40

// biome-ignore format: a table of numbers reads better dense
export const OP = {
  unreachable: 0x00, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, br_if: 0x0d, br_table: 0x0e,
  return: 0x0f, call: 0x10, call_indirect: 0x11, drop: 0x1a, select: 0x1b, local_get: 0x20, local_set: 0x21, local_tee: 0x22,
  i32_load: 0x28, i64_load: 0x29, i32_load8_s: 0x2c, i32_load8_u: 0x2d, i32_load16_s: 0x2e, i32_load16_u: 0x2f,
  i64_load8_s: 0x30, i64_load8_u: 0x31, i64_load16_s: 0x32, i64_load16_u: 0x33, i64_load32_s: 0x34, i64_load32_u: 0x35,
  i32_store: 0x36, i64_store: 0x37, i32_store8: 0x3a, i32_store16: 0x3b, i64_store8: 0x3c, i64_store16: 0x3d, i64_store32: 0x3e,
  i32_const: 0x41, i64_const: 0x42,
  i32_eqz: 0x45, i32_eq: 0x46, i32_ne: 0x47, i32_lt_s: 0x48, i32_lt_u: 0x49, i32_gt_s: 0x4a, i32_gt_u: 0x4b, i32_le_s: 0x4c,
  i32_le_u: 0x4d, i32_ge_s: 0x4e, i32_ge_u: 0x4f,
  i64_eqz: 0x50, i64_eq: 0x51, i64_ne: 0x52, i64_lt_s: 0x53, i64_lt_u: 0x54, i64_gt_s: 0x55, i64_gt_u: 0x56, i64_le_s: 0x57,
  i64_le_u: 0x58, i64_ge_s: 0x59, i64_ge_u: 0x5a,
  i32_add: 0x6a, i32_sub: 0x6b, i32_mul: 0x6c, i32_div_s: 0x6d, i32_div_u: 0x6e, i32_rem_s: 0x6f, i32_rem_u: 0x70, i32_and: 0x71,
  i32_or: 0x72, i32_xor: 0x73, i32_shl: 0x74, i32_shr_s: 0x75, i32_shr_u: 0x76, i32_rotl: 0x77,
  i64_add: 0x7c, i64_sub: 0x7d, i64_mul: 0x7e, i64_div_s: 0x7f, i64_div_u: 0x80, i64_rem_s: 0x81, i64_rem_u: 0x82, i64_and: 0x83,
  i64_or: 0x84, i64_xor: 0x85, i64_shl: 0x86, i64_shr_s: 0x87, i64_shr_u: 0x88, i64_rotl: 0x89,
  i32_wrap_i64: 0xa7, i64_extend_i32_s: 0xac, i64_extend_i32_u: 0xad, i32_extend8_s: 0xc0, i32_extend16_s: 0xc1,
  i64_extend8_s: 0xc2, i64_extend16_s: 0xc3, i64_extend32_s: 0xc4,
} as const
export type OpName = keyof typeof OP

/** Bytes, growing. */
export class Bytes {
  #data = new Uint8Array(1024)
  length = 0

  byte(value: number): void {
    if (this.length === this.#data.length) this.#grow(1)
    this.#data[this.length++] = value
  }

  /** Unsigned LEB128 of a u32. */
  u32(value: number): void {
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  /** Signed LEB128 of an int32. */
  s32(value: number): void {
    let rest = value | 0
    while (rest < -0x40 || rest >= 0x40) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>= 7
    }
    this.byte(rest & 0x7f)
  }

  /** Signed LEB128 of hi:lo. */
  s64(lo: number, hi: number): void {
    while (hi !== lo >> 31 || lo < -0x40 || lo >= 0x40) {
      this.byte((lo & 0x7f) | 0x80)
      lo = (lo >>> 7) | (hi << 25)
      hi >>= 7
    }
    this.byte(lo & 0x7f)
  }

  text(value: string): void {
    this.u32(value.length)
    for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i))
  }

  append(other: Bytes): void {
    if (this.length + other.length > this.#data.length) this.#grow(other.length)
    this.#data.set(other.view(), this.length)
    this.length += other.length
  }

  view(): Uint8Array {
    return this.#data.subarray(0, this.length)
  }

  #grow(need: number): void {
    const data = new Uint8Array(Math.max(this.#data.length * 2, this.length + need))
    data.set(this.#data)
    this.#data = data
  }
}

/** The body of one function: instructions, and its locals behind the parameters. */
export class Code {
  bytes = new Bytes()
  readonly #params: number
  readonly #locals: ValueType[] = []
  /** Labels open now: what `br` counts from. */
  depth = 0

  constructor(params: number) {
    this.#params = params
  }

  /** A new local, zero at first. */
  local(type: ValueType): number {
    this.#locals.push(type)
    return this.#params + this.#locals.length - 1
  }

  op(name: OpName): void {
    this.bytes.byte(OP[name])
  }

  i32(value: number): void {
    this.bytes.byte(OP.i32_const)
    this.bytes.s32(value)
  }

  i64(lo: number, hi: number): void {
    this.bytes.byte(OP.i64_const)
    this.bytes.s64(lo, hi)
  }

  get(local: number): void {
    this.bytes.byte(OP.local_get)
    this.bytes.u32(local)
  }

  set(local: number): void {
    this.bytes.byte(OP.local_set)
    this.bytes.u32(local)
  }

  tee(local: number): void {
    this.bytes.byte(OP.local_tee)
    this.bytes.u32(local)
  }

  /** A load or store at the address on the stack + `offset` (unsigned). No alignment is promised. */
  access(name: OpName, offset: number): void {
    this.bytes.byte(OP[name])
    this.bytes.byte(0)
    this.bytes.u32(offset)
  }

  /** Open a block, loop or if; returns its label for br(). */
  open(name: 'block' | 'loop' | 'if'): number {
    this.bytes.byte(OP[name])
    this.bytes.byte(VOID)
    return ++this.depth
  }

  /** `if` that leaves a value. */
  openIf(type: ValueType): void {
    this.bytes.byte(OP.if)
    this.bytes.byte(type)
    this.depth++
  }

  else(): void {
    this.bytes.byte(OP.else)
  }

  end(): void {
    this.bytes.byte(OP.end)
    this.depth--
  }

  br(label: number): void {
    this.bytes.byte(OP.br)
    this.bytes.u32(this.depth - label)
  }

  brIf(label: number): void {
    this.bytes.byte(OP.br_if)
    this.bytes.u32(this.depth - label)
  }

  brTable(labels: readonly number[], otherwise: number): void {
    this.bytes.byte(OP.br_table)
    this.bytes.u32(labels.length)
    for (const label of labels) this.bytes.u32(this.depth - label)
    this.bytes.u32(this.depth - otherwise)
  }

  call(index: number): void {
    this.bytes.byte(OP.call)
    this.bytes.u32(index)
  }

  callIndirect(type: number): void {
    this.bytes.byte(OP.call_indirect)
    this.bytes.u32(type)
    this.bytes.byte(0)
  }

  /** Put what `emit` emits in front of everything there is: what the start must do is known at the end. */
  atStart(emit: () => void): void {
    const rest = this.bytes
    this.bytes = new Bytes()
    emit()
    this.bytes.append(rest)
  }

  /** As an entry of the code section. */
  encode(out: Bytes): void {
    const body = new Bytes()
    const runs: [number, ValueType][] = []
    for (const type of this.#locals) {
      const last = runs.at(-1)
      if (last && last[1] === type) last[0]++
      else runs.push([1, type])
    }
    body.u32(runs.length)
    for (const [count, type] of runs) {
      body.u32(count)
      body.byte(type)
    }
    body.append(this.bytes)
    body.byte(OP.end)
    out.u32(body.length)
    out.append(body)
  }
}

export interface FunctionType {
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const

/** A module over one imported memory (and a table, when asked for). Imported functions come first in the index space. */
export class ModuleBuilder {
  readonly #types: FunctionType[] = []
  readonly #typeIndex = new Map<string, number>()
  readonly #imports: { name: string; type: number }[] = []
  readonly #functions: { type: number; code: Code | undefined }[] = []
  readonly #exports: { name: string; index: number }[] = []
  readonly #memoryPages: number
  usesTable = false

  /** `memoryPages`: size of the imported memory, which never grows. */
  constructor(memoryPages: number) {
    this.#memoryPages = memoryPages
  }

  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`
    let index = this.#typeIndex.get(key)
    if (index === undefined) {
      index = this.#types.push({ params, results }) - 1
      this.#typeIndex.set(key, index)
    }
    return index
  }

  /** Declare an imported function `k.<name>`. All imports come before the first function. */
  import(name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    return this.#imports.push({ name, type: this.type(params, results) }) - 1
  }

  /** Declare a function; its code is set by define(). */
  function(params: readonly ValueType[], results: readonly ValueType[]): number {
    return this.#imports.length + this.#functions.push({ type: this.type(params, results), code: undefined }) - 1
  }

  define(index: number, code: Code): void {
    this.#functions[index - this.#imports.length]!.code = code
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, index })
  }

  encode(): Uint8Array {
    const out = new Bytes()
    for (const byte of MAGIC) out.byte(byte)
    const section = (id: number, write: (bytes: Bytes) => void): void => {
      const bytes = new Bytes()
      write(bytes)
      out.byte(id)
      out.u32(bytes.length)
      out.append(bytes)
    }
    section(SECTION.type, (bytes) => {
      bytes.u32(this.#types.length)
      for (const { params, results } of this.#types) {
        bytes.byte(0x60)
        bytes.u32(params.length)
        for (const type of params) bytes.byte(type)
        bytes.u32(results.length)
        for (const type of results) bytes.byte(type)
      }
    })
    section(SECTION.import, (bytes) => {
      bytes.u32(this.#imports.length + (this.usesTable ? 2 : 1))
      for (const { name, type } of this.#imports) {
        bytes.text('k')
        bytes.text(name)
        bytes.byte(0)
        bytes.u32(type)
      }
      bytes.text('k')
      bytes.text('memory')
      bytes.byte(2)
      bytes.byte(1)
      bytes.u32(this.#memoryPages)
      bytes.u32(this.#memoryPages)
      if (!this.usesTable) return
      bytes.text('k')
      bytes.text('table')
      bytes.byte(1)
      bytes.byte(0x70)
      bytes.byte(0)
      bytes.u32(1)
    })
    section(SECTION.function, (bytes) => {
      bytes.u32(this.#functions.length)
      for (const { type } of this.#functions) bytes.u32(type)
    })
    section(SECTION.export, (bytes) => {
      bytes.u32(this.#exports.length)
      for (const { name, index } of this.#exports) {
        bytes.text(name)
        bytes.byte(0)
        bytes.u32(index)
      }
    })
    section(SECTION.code, (bytes) => {
      bytes.u32(this.#functions.length)
      for (const { code } of this.#functions) code!.encode(bytes)
    })
    return out.view()
  }
}
