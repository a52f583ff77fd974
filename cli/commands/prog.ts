// bpfsim prog run: one program of an object on one context, as BPF_PROG_TEST_RUN does it; nothing is attached.

import { type Command, Option } from 'commander'
import { UserError } from '../../base/errors.ts'
import type { EngineName } from '../../ebpf-vm/machine.ts'
import { BpfError, VerifierError } from '../../user-space/loader/errors.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import type { ObjectSpec } from '../../user-space/object/spec.ts'
import { hexOf, toJson } from '../../user-space/output.ts'
import { boot } from '../../user-space/session.ts'
import { suggest } from '../../user-space/suggest.ts'
import { whole } from '../arguments.ts'
import { readFile, writeFile } from '../files.ts'
import { addKernelOptions, bootKernel, type KernelFlags } from '../kernel-options.ts'
import { lazyLogger } from '../log.ts'
import { print, printRefused } from '../output.ts'

interface Flags extends KernelFlags {
  readonly prog: string
  readonly dataIn?: string
  readonly dataOut?: string
  readonly ctxIn?: string
  readonly repeat?: number
  readonly engine: EngineName
  readonly json?: true
}

/** One line of `--json`. */
interface ProgRunRecord {
  readonly prog: string
  readonly engine: EngineName
  /** u32 */
  readonly retval: number
  /** Wall time of one run, the mean of all, with its share of the call. */
  readonly duration_ns: number
  /** The packet afterwards; absent where none was given. */
  readonly data_out: Uint8Array | undefined
}

export function addProg(root: Command): void {
  const prog = root.command('prog').description('run programs by themselves')
  const command = prog
    .command('run')
    .description('run one program on a packet or a context, by the rules of BPF_PROG_TEST_RUN')
    .argument('<object>', 'a BPF object')
    .requiredOption('--prog <name>', 'the program')
    .option('--data-in <file>', 'the packet, from its Ethernet header')
    .option('--data-out <file>', 'where to write the packet as the program left it')
    .option('--ctx-in <file>', 'the context: the arguments of a raw tracepoint, the buffer of a syscall program')
    .option('--repeat <n>', 'runs, where the type allows more than one', whole('--repeat', 1, 0xffffffff))
    .addOption(new Option('--engine <name>', 'what runs it').choices(['jit', 'interpreter']).default('jit'))
    .option('--json', 'one line of JSON')
  addKernelOptions(command).action((file: string, flags: Flags) => {
    const spec = only(readObjectBytes(readFile(file), file), flags.prog, file)
    const options = {
      ...(flags.dataIn !== undefined && { data: readFile(flags.dataIn) }),
      ...(flags.ctxIn !== undefined && { context: readFile(flags.ctxIn) }),
      ...(flags.repeat !== undefined && { repeat: flags.repeat }),
    }
    using session = boot({ engine: flags.engine, log: lazyLogger('warn'), ...bootKernel(flags) })
    try {
      const program = session.load(spec).programs[flags.prog]!
      const startMs = performance.now()
      const { retval, data } = program.testRun(options)
      const durationNs = Math.round(((performance.now() - startMs) * 1e6) / (flags.repeat ?? 1))
      if (flags.dataOut !== undefined && data) writeFile(flags.dataOut, data)
      const { name, engine } = program
      show({ prog: name, engine, retval, duration_ns: durationNs, data_out: data }, flags)
    } catch (error) {
      if (error instanceof BpfError) printRefused(`${file}: ${error.message}`)
      else if (error instanceof VerifierError) printRefused(error.message, error.log)
      else throw error
      process.exitCode = 1
    }
  })
}

/** The object with nothing to load but this program, and those that it may reach by tail calls. */
function only(spec: ObjectSpec, name: string, file: string): ObjectSpec {
  const names = Object.keys(spec.programs)
  if (!names.includes(name)) {
    throw new UserError(`${file}: no program '${name}'${suggest(name, names)}; it has ${names.join(', ')}`)
  }
  const reached = new Set(Object.values(spec.maps).flatMap(({ slots }) => slots.map((slot) => slot.name)))
  for (const program of Object.values(spec.programs))
    program.autoload = program.name === name || reached.has(program.name)
  return spec
}

function show(record: ProgRunRecord, { json, dataOut }: Flags): void {
  const { retval, duration_ns, data_out: data } = record
  if (json) {
    print(toJson(record))
    return
  }
  print(`Return value: ${retval}, duration (average): ${duration_ns}ns`)
  if (data && dataOut === undefined) print(`Data: ${hexOf(data)}`)
}
