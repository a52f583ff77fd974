// The assembler: text to instructions. It reads Linux's own text (as the verifier and bpftool print it, the opcode column included),
// LLVM's, and the mnemonics of the public bpf_conformance files, one statement a line, mixed as one likes.
//
//   counter:                     a label; also before a statement
//   r1 = map[counts]             a map by its name, or `r1 = counts ll`; map[counts][0]+8 is a place in its value
//   if r0 == 0 goto counter      jumps take labels or distances (+3, pc+3); gotol reaches further than 32,767 slots
//   call bpf_map_lookup_elem     a helper by name or id; call counter (or pc+3, local counter) a function of the program
//   r2 = counter ll              the address of a function of the program, for callbacks
//
// `r1 = 5 ll` is a wide load, and so is a number of more than 31 bits; `r1 = 5` is a move. A comment starts with `;`, `//`, or `#`
// after a space. Errors are UserErrors of one line that begins with the line's number.

import { UserError } from '../../base/errors.ts'
import { helperId } from '../helpers/names.ts'
import { classify, type Form, slotsOf } from '../isa/forms.ts'
import type { Insn } from '../isa/insn.ts'
import { CALL, CLASS, JMP, PSEUDO } from '../isa/opcodes.ts'
import { tokenize } from './lexer.ts'
import { patterns } from './patterns.ts'

/** A name that only a loader can resolve. Its instruction is complete but for what the name stands for, which is 0. */
export interface Relocation {
  readonly slot: number
  /** `map`: imm is a map's descriptor; `kfunc`: imm is the BTF id of a kernel function. */
  readonly kind: 'map' | 'kfunc'
  readonly name: string
}

export interface Assembled {
  readonly insns: Insn[]
  readonly relocations: readonly Relocation[]
  /** Slots of the labels. */
  readonly labels: ReadonlyMap<string, number>
  /** Source line (from 1) of each slot. */
  readonly lines: readonly number[]
}

export interface AssembleOptions {
  /** Descriptors of maps by name: these need no relocation. */
  readonly maps?: Readonly<Record<string, number>>
  /** Names that may stand for numbers, of immediates and offsets. */
  readonly constants?: Readonly<Record<string, number>>
}

interface Statement {
  readonly line: number
  readonly slot: number
  readonly form: Form
  readonly fields: ReadonlyMap<string, bigint | string>
}

const LABEL = /^\s*([A-Za-z_.$][\w.$]*)\s*:/
/** The columns that a listing has before the text: `  12: (b7)`. */
const COLUMNS = /^\s*\d+:\s*(?:\(([\da-f]{2})\))?/
/** The line that starts a function in a listing: `int handle(void * ctx):` */
const HEADER = /^\S.*\(.*\):\s*$/
const COMMENT = /(?:;|\/\/|(?:^|\s)#).*$/

/** Throws UserError: `line 3: …`. */
export function assemble(text: string, options: AssembleOptions = {}): Assembled {
  const statements: Statement[] = []
  const labels = new Map<string, number>()
  let slot = 0
  text.split(/\r?\n/).forEach((source, index) => {
    const line = index + 1
    const [columns, opcode] = COLUMNS.exec(source) ?? ['']
    let rest = HEADER.test(source) ? '' : source.slice(columns.length).replace(COMMENT, '')
    for (let label = LABEL.exec(rest); label; label = LABEL.exec(rest)) {
      if (labels.has(label[1]!)) fail(line, `label ${label[1]} is there already`)
      labels.set(label[1]!, slot)
      rest = rest.slice(label[0].length)
    }
    rest = rest.trim()
    if (rest === '') return
    const { form, fields } = parse(rest, line, opcode === undefined ? undefined : Number.parseInt(opcode, 16))
    statements.push({ line, slot, form, fields })
    slot += slotsOf(form)
  })
  return build(statements, labels, options)
}

function fail(line: number, what: string): never {
  throw new UserError(`line ${line}: ${what}`)
}

function parse(text: string, line: number, opcode: number | undefined): Pick<Statement, 'form' | 'fields'> {
  const call = /^call\b\s*(.*)$/i.exec(text)
  if (call) return parseCall(call[1]!, line)
  if (/^callx\b/i.test(text)) fail(line, 'Linux has no call of a register (callx)')
  const tokens = tokenize(text)
  if (typeof tokens === 'string') fail(line, `cannot read \`${tokens}\``)
  const match = patterns().match(tokens, opcode)
  if (!match) fail(line, `no such instruction: ${text}`)
  for (const token of tokens) {
    if (token.kind === 'register' && token.number > 10)
      fail(line, `no register ${token.width}${token.number}: the last is r10`)
  }
  return match
}

const callForm = (target: keyof typeof CALL): Form =>
  classify({ code: CLASS.jmp | JMP.call.code, dst: 0, src: CALL[target], off: 0, imm: 0 })!

/** `1`, `bpf_ktime_get_ns`, `bpf_ktime_get_ns#5`, `pc+3`, `local f`, `f`, `kernel-function#77@1` */
function parseCall(text: string, line: number): Pick<Statement, 'form' | 'fields'> {
  const fields = new Map<string, bigint | string>()
  const local = /^(?:pc\s*([+-]\s*\d+)(?:#.*)?|local\s+(?:([+-]?\d+)|([A-Za-z_.$][\w.$]*)))$/.exec(text)
  if (local) {
    fields.set('to', local[3] ?? BigInt((local[1] ?? local[2])!.replace(/[\s+]/g, '')))
    return { form: callForm('local'), fields }
  }
  const number = /^(-?(?:0x[\da-fA-F]+|\d+))$/.exec(text)
  if (number) {
    fields.set('imm', number[1]!.startsWith('-') ? -BigInt(number[1]!.slice(1)) : BigInt(number[1]!))
    return { form: callForm('helper'), fields }
  }
  const named = /^([A-Za-z_.$][\w.$-]*)(?:#(-?\d+)(?:@(-?\d+))?)?$/.exec(text)
  if (!named) fail(line, `cannot read what is called: \`${text}\``)
  const [, name, id, module] = named
  if (id === undefined) {
    fields.set('name', name!)
    return { form: callForm('helper'), fields }
  }
  // Behind a helper's name, a dump of a loaded program has an address instead of the id.
  const helper = helperId(name!)
  fields.set('imm', BigInt(helper ?? id))
  if (module !== undefined) fields.set('off', BigInt(module))
  return { form: callForm(helper !== undefined || name === 'unknown' ? 'helper' : 'kfunc'), fields }
}

function build(
  statements: readonly Statement[],
  labels: ReadonlyMap<string, number>,
  { maps = {}, constants = {} }: AssembleOptions,
): Assembled {
  const insns: Insn[] = []
  const lines: number[] = []
  const relocations: Relocation[] = []

  for (const { line, slot, form, fields } of statements) {
    const fixed = (field: 'free' | number): number => (field === 'free' ? 0 : field)
    const { layout } = form
    const insn = {
      ...layout,
      dst: fixed(layout.dst),
      src: fixed(layout.src),
      off: fixed(layout.off),
      imm: fixed(layout.imm),
    }
    let next = 0

    const distance = (value: bigint | string): bigint => {
      if (typeof value === 'bigint') return value
      const target = labels.get(value)
      if (target === undefined) fail(line, `no label ${value}`)
      return BigInt(target - slot - 1)
    }
    const plain = (value: bigint | string): bigint => {
      if (typeof value === 'bigint') return value
      const constant = Object.hasOwn(constants, value) ? constants[value] : undefined
      if (constant === undefined) fail(line, `${value} stands for no number`)
      return BigInt(constant)
    }
    const useMap = (name: string): void => {
      if (Object.hasOwn(maps, name)) insn.imm = maps[name]!
      else relocations.push({ slot, kind: 'map', name })
    }
    /** The value of a wide load: a number, a function of the program, a constant, or a map. */
    const wide = (value: bigint | string): void => {
      if (typeof value === 'string' && labels.has(value)) {
        insn.src = PSEUDO.func
        insn.imm = Number(distance(value))
      } else if (typeof value === 'string' && !Object.hasOwn(constants, value)) {
        insn.src = PSEUDO.map_fd
        useMap(value)
      } else {
        const number = checked(plain(value), 64, line)
        insn.imm = Number(BigInt.asIntN(32, number))
        next = Number(BigInt.asIntN(32, number >> 32n))
      }
    }
    /** A call by name alone: of the program's function, a helper, else a kernel function that the loader finds. */
    const callee = (name: string): void => {
      const id = helperId(name)
      if (labels.has(name)) {
        insn.src = CALL.local
        insn.imm = Number(distance(name))
      } else if (id !== undefined) {
        insn.imm = id
      } else {
        insn.src = CALL.kfunc
        relocations.push({ slot, kind: 'kfunc', name })
      }
    }

    for (const [field, value] of fields) {
      switch (field) {
        case 'dst':
        case 'src':
          insn[field] = Number(value)
          break
        case 'off':
          insn.off = Number(checked(plain(value), 16, line))
          break
        case 'to': {
          const by = distance(value)
          if (layout.off === 'free')
            insn.off = Number(checked(by, 16, line, 'too far for a 16-bit jump (gotol goes further)'))
          else insn.imm = Number(checked(by, 32, line))
          break
        }
        case 'next':
          next = Number(BigInt.asIntN(32, checked(plain(value), 32, line)))
          break
        case 'wide':
        case 'imm64':
          wide(value)
          break
        case 'name':
          if (form.kind === 'call') callee(String(value))
          else useMap(String(value))
          break
        default:
          insn.imm = Number(BigInt.asIntN(32, checked(plain(value), 32, line)))
      }
    }
    insns.push(insn)
    lines.push(line)
    if (slotsOf(form) === 2) {
      insns.push({ code: 0, dst: 0, src: 0, off: 0, imm: next })
      lines.push(line)
    }
  }
  return { insns, relocations, labels, lines }
}

/** `value` if it fits into that many bits, signed or (from 32 bits on) unsigned. */
function checked(value: bigint, bits: 16 | 32 | 64, line: number, why?: string): bigint {
  const half = 1n << BigInt(bits - 1)
  const end = bits === 16 ? half : 2n * half
  if (value < -half || value >= end) fail(line, why ?? `${value} does not fit into ${bits} bits`)
  return value
}
