// Plug-in for the public bpf_conformance runner:
//   plugin [MEMORY] [--engine jit|interpreter] [--program PROGRAM]
// MEMORY and PROGRAM are hexadecimal bytes, spaces allowed; the program is read from standard input when not given. It runs
// unverified with r1 = address of the memory and r2 = its length; r0 is printed in hexadecimal. Exit code 1 and one line on standard
// error when the program cannot be loaded or faults, 2 for wrong arguments.

import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { runBare } from '../../dist/ebpf-vm/bare.js'
import { ENGINES } from '../../dist/ebpf-vm/engines.js'
import { decode } from '../../dist/ebpf-vm/isa/insn.js'

function bytes(hex, what) {
  const digits = hex.replace(/\s|0x/g, '')
  if (digits.length % 2 !== 0 || /[^\da-fA-F]/.test(digits)) throw new Error(`${what} is not hexadecimal`)
  return new Uint8Array(Buffer.from(digits, 'hex'))
}

function usage(message) {
  console.error(`plugin: ${message}`)
  process.exit(2)
}

let args
try {
  args = parseArgs({
    allowPositionals: true,
    options: { engine: { type: 'string', default: Object.keys(ENGINES).at(-1) }, program: { type: 'string' } },
  })
} catch (error) {
  usage(error.message)
}
const engine = ENGINES[args.values.engine]
if (!engine) usage(`no engine ${args.values.engine}; there are ${Object.keys(ENGINES).join(', ')}`)
try {
  const program = bytes(args.values.program ?? (await text(process.stdin)), 'the program')
  if (program.length === 0 || program.length % 8 !== 0) throw new Error('the program is not whole instructions')
  const { r0 } = runBare(engine, decode(program), bytes(args.positionals.join(''), 'the memory'))
  console.log(r0.toString(16))
} catch (error) {
  console.error(`plugin: ${error.message}`)
  process.exit(1)
}
