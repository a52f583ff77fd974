// Functions whose result may be overridden from outside: those that the kernel marks ALLOW_ERROR_INJECTION(). All entries of
// system calls are; of the rest, the ones that all versions here share. fmod_ret and bpf_override_return() take no others.

import { isHelperCall } from '../../ebpf-vm/isa/insn.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'

const SYSCALL_ENTRY = /^__(x64|ia32)_sys_/

export const ERROR_INJECTION: ReadonlySet<string> = new Set([
  'should_failslab',
  'should_fail_alloc_page',
  'should_fail_bio',
  'mount_subtree',
  '__alloc_file',
  'bpf_modify_return_test',
])

export const isErrorInjectable = (symbol: string): boolean => SYSCALL_ENTRY.test(symbol) || ERROR_INJECTION.has(symbol)

const BPF_FUNC_OVERRIDE_RETURN = 58

export const overridesReturn = (program: VerifiedProgram): boolean =>
  program.insns.some((insn) => isHelperCall(insn) && insn.imm === BPF_FUNC_OVERRIDE_RETURN)
