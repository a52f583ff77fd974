// bpfsim btf dump: a BTF blob (or the .BTF of an object) as a C header or as raw text.

import { type Command, Option } from 'commander'
import { Btf } from '../../base/btf/btf.ts'
import { dumpC, dumpRaw } from '../../base/btf/index.ts'
import { readBtf, readMaybeGzip } from '../files.ts'

export function addBtf(root: Command): void {
  const btf = root.command('btf').description('look into BTF')
  btf
    .command('dump')
    .description('types of a vmlinux or module BTF, or of a BPF object')
    .argument('<file>', 'raw BTF (may be gzipped) or an ELF object')
    .option('--base <file>', 'the BTF that a module’s BTF continues')
    .addOption(new Option('--format <format>').choices(['c', 'raw']).default('raw'))
    .action((file: string, { base, format }: { base?: string; format: 'c' | 'raw' }) => {
      const types = base === undefined ? readBtf(file) : Btf.parse(readMaybeGzip(file), readBtf(base), file)
      process.stdout.write(format === 'c' ? dumpC(types) : dumpRaw(types))
    })
}
