// bpfsim verify: the verdict on the programs of an object, from files alone; no kernel is booted.

import type { Command } from 'commander'
import { Btf } from '../../base/btf/btf.ts'
import { UserError } from '../../base/errors.ts'
import { type Capabilities, type KfuncFacts, ROOT, UNPRIVILEGED } from '../../base/facts.ts'
import { factsFor } from '../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../ebpf-vm/verifier/verify.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { toJson } from '../../user-space/output.ts'
import { suggest } from '../../user-space/suggest.ts'
import { verifyObject } from '../../user-space/verify-object.ts'
import { whole } from '../arguments.ts'
import { readFile, readMaybeGzip, readText } from '../files.ts'
import { addKernelOptions, type KernelFlags, profileOf } from '../kernel-options.ts'
import { print } from '../output.ts'

interface Flags extends KernelFlags {
  readonly prog?: string
  readonly module?: readonly string[]
  readonly kfuncs?: string
  readonly logLevel: number
  readonly flags?: number
  readonly unpriv?: true
  readonly caps?: string
  readonly json?: true
}

const CAPS: Readonly<Record<string, keyof Capabilities>> = {
  bpf: 'bpf',
  perfmon: 'perfmon',
  net_admin: 'netAdmin',
  sys_admin: 'sysAdmin',
}

export function addVerify(root: Command): void {
  const command = root
    .command('verify')
    .description('what the verifier says of an object’s programs, without booting a kernel')
    .argument('<object>', 'a BPF object')
    .option('--prog <name>', 'only this program')
    .option('--module <name=btf>', 'a module’s BTF; repeatable', (text: string, before: readonly string[] = []) => [
      ...before,
      text,
    ])
    .option('--kfuncs <file>', 'JSON: an array of { name, flags, hooks, module? } in place of the built-in kfunc sets')
    .option(
      '--log-level <n>',
      '1 the log of refused programs, 2 each state, 4 statistics (sums)',
      whole('--log-level', 0, 7),
      1,
    )
    .option('--flags <n>', 'BPF_F_* of BPF_PROG_LOAD, laid over the program’s own', whole('--flags', 0, 0xffffffff))
    .option('--unpriv', 'as an unprivileged loader')
    .option('--caps <list>', `capabilities of the loader, with commas: ${Object.keys(CAPS).join(', ')}`)
    .option('--json', 'a line of JSON per program')
  addKernelOptions(command).action((file: string, flags: Flags) => {
    const spec = readObjectBytes(readFile(file), file)
    if (flags.prog !== undefined && !(flags.prog in spec.programs)) {
      throw new UserError(
        `${file}: no program '${flags.prog}'${suggest(flags.prog, Object.keys(spec.programs))}; it has ${Object.keys(spec.programs).join(', ')}`,
      )
    }
    const profile = profileOf(flags)
    const facts = factsFor({
      release: profile.release,
      btf: profile.btf,
      capabilities: capabilitiesOf(flags),
      modules: (flags.module ?? []).map((text) => moduleOf(text, profile.btf)),
      ...(flags.kfuncs !== undefined && { kfuncs: kfuncsOf(flags.kfuncs) }),
    })
    const options = {
      logLevel: flags.logLevel,
      nowUs: () => performance.now() * 1000,
      ...(flags.prog !== undefined && { prog: flags.prog }),
      ...(flags.flags !== undefined && { flags: flags.flags }),
    }
    for (const record of verifyObject(spec, facts, verify, options)) {
      if (flags.json) {
        print(toJson(record))
      } else {
        const { prog, section, verdict, insns, processed, log } = record
        print(`${verdict} ${prog} (${section}): ${insns} instructions, ${processed} processed`)
        if (log !== '' && (verdict === 'REJECT' || flags.logLevel > 1)) print(log.trimEnd())
      }
      if (record.verdict === 'REJECT') process.exitCode = 1
    }
  })
}

function capabilitiesOf({ unpriv, caps }: Flags): Capabilities {
  if (unpriv) return UNPRIVILEGED
  if (caps === undefined) return ROOT
  const given = caps.split(',').filter((name) => name !== '')
  const unknown = given.find((name) => !(name in CAPS))
  if (unknown !== undefined)
    throw new UserError(`--caps ${unknown}: no such capability here; there are ${Object.keys(CAPS).join(', ')}`)
  return { ...UNPRIVILEGED, ...Object.fromEntries(given.map((name) => [CAPS[name]!, true])) }
}

function moduleOf(text: string, base: Btf): { name: string; btf: Btf } {
  const at = text.indexOf('=')
  if (at <= 0) throw new UserError(`--module ${text}: write NAME=BTF`)
  const file = text.slice(at + 1)
  return { name: text.slice(0, at), btf: Btf.parse(readMaybeGzip(file), base, file) }
}

function kfuncsOf(file: string): KfuncFacts[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(readText(file))
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError(`${file}: no JSON (${(error as Error).message})`)
  }
  if (!Array.isArray(parsed)) throw new UserError(`${file}: not an array of kfuncs`)
  return parsed.map((each: Partial<KfuncFacts>, i) => {
    if (typeof each?.name !== 'string') throw new UserError(`${file}: element ${i} has no name`)
    return { ...each, name: each.name, flags: Number(each.flags ?? 0), hooks: each.hooks ?? ['common'] }
  })
}
