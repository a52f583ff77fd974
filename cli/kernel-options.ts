// --kernel and --btf, as every command takes them that needs a kernel's types.

import { type Command, Option } from 'commander'
import { type Profile, profileFor, profileFromBtf } from '../kernel-sim/profiles/profile.ts'
import { readMaybeGzip } from './files.ts'

export interface KernelFlags {
  readonly kernel?: string
  readonly btf?: string
}

export function addKernelOptions(command: Command): Command {
  return command
    .option('--kernel <version>', 'kernel version: 6.12 (default) or 6.1')
    .addOption(
      new Option('--btf <file>', 'the BTF of a real kernel (/sys/kernel/btf/vmlinux) instead').conflicts('kernel'),
    )
}

export const profileOf = ({ kernel, btf }: KernelFlags): Profile =>
  btf === undefined ? profileFor(kernel) : profileFromBtf(readMaybeGzip(btf), btf)

/** What boot() is told: nothing where the person said nothing. */
export const bootKernel = (flags: KernelFlags): { kernel?: Profile } =>
  (flags.kernel ?? flags.btf) === undefined ? {} : { kernel: profileOf(flags) }
