// bpfsim asm, bpfsim disasm: text to instructions and back.

import type { Command } from 'commander'
import { UserError } from '../../base/errors.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { disassemble } from '../../ebpf-vm/disasm/disasm.ts'
import { encode } from '../../ebpf-vm/isa/insn.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { isElf, readFile, readText, writeFile } from '../files.ts'
import { print } from '../output.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function addAsm(root: Command): void {
  root
    .command('asm')
    .description('assemble BPF instructions: the text of the verifier and bpftool, of LLVM, or of bpf_conformance')
    .argument('<file>', 'assembly text; - for standard input')
    .option('--hex', 'print the bytes in hexadecimal, an instruction a line')
    .option('-o, --output <file>', 'write the bytes to a file')
    .action((file: string, options: { hex?: true; output?: string }) => {
      const { insns, relocations } = assembleFile(file)
      const open = relocations[0]
      if (open) throw new UserError(`${file}: ${open.kind} ${open.name} has no number here: use it in an attach script`)
      const bytes = encode(insns)
      if (options.output !== undefined) writeFile(options.output, bytes)
      else if (options.hex) for (let at = 0; at < bytes.length; at += 8) print(hexOf(bytes.subarray(at, at + 8)))
      else if (process.stdout.isTTY) throw new UserError('the bytes are binary: add --hex, or -o FILE')
      else process.stdout.write(bytes)
    })
}

function assembleFile(file: string): ReturnType<typeof assemble> {
  try {
    return assemble(readText(file))
  } catch (error) {
    if (error instanceof UserError && error.message.startsWith('line '))
      throw new UserError(`${file}: ${error.message}`)
    throw error
  }
}

export function addDisasm(root: Command): void {
  root
    .command('disasm')
    .description('list BPF instructions in the text of bpftool')
    .argument('<file>', 'a BPF object, instructions as bytes, or as hexadecimal text; - for standard input')
    .option('--prog <name>', 'only this program of an object')
    .action((file: string, options: { prog?: string }) => {
      const bytes = readFile(file)
      if (!isElf(bytes)) {
        process.stdout.write(disassemble(rawInstructions(bytes, file)))
        return
      }
      const spec = readObjectBytes(bytes, file)
      const programs = Object.values(spec.programs).filter(
        ({ name }) => options.prog === undefined || name === options.prog,
      )
      if (programs.length === 0)
        throw new UserError(`${file}: no program ${options.prog}; it has ${Object.keys(spec.programs).join(', ')}`)
      for (const { name, section, code } of programs) {
        print(`${name} (${section}):`)
        process.stdout.write(disassemble(code.insns, { wide: wideNames(code.relocations) }))
      }
    })
}

/** What a relocated wide load stands for, by its slot. */
function wideNames(
  relocations: readonly { readonly insn: number; readonly kind: string }[],
): (insn: unknown, slot: number) => string | undefined {
  const names = new Map<number, string>()
  for (const relocation of relocations) {
    const { map, extern } = relocation as { map?: string; extern?: string }
    if (map !== undefined) names.set(relocation.insn, `map[${map}]`)
    else if (extern !== undefined) names.set(relocation.insn, extern)
  }
  return (_, slot) => names.get(slot)
}

/** Instructions from bytes as they are, or from hexadecimal digits. */
function rawInstructions(bytes: Uint8Array, file: string): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1').replace(/\s+/g, '')
  const raw = /^([0-9a-fA-F]{2})+$/.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : bytes
  if (raw.length === 0 || raw.length % 8 !== 0) {
    throw new UserError(`${file}: ${raw.length} bytes are no BPF program: instructions have 8 bytes each`)
  }
  return raw
}
