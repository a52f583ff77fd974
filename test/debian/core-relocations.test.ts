// CO-RE over all objects of Debian's libbpf-tools, against both committed profiles: every relocation comes to what libbpf makes of it
// with the BTF of the whole kernel. So the profiles hold what real tools read, and the relocations are libbpf's.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import { CandidateFinder } from '../../user-space/object/core/candidates.ts'
import { patch } from '../../user-space/object/core/patch.ts'
import { resolve } from '../../user-space/object/core/resolve.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'
import { libbpfTool, libbpfTools } from './packages.ts'

interface Recorded {
  /** kernel, tool, function: `slot:value` or `slot:poison`, separated by spaces. */
  kernels: Record<string, Record<string, Record<string, string>>>
}
const recorded = JSON.parse(readFileSync(new URL('core-relocations.json', import.meta.url), 'utf8')) as Recorded
// Some commands are links to others; the record has each object once.
const tools = libbpfTools().filter((tool) => tool in recorded.kernels['6.12']!)

test.skipIf(tools.length === 0)('the package has all objects that were recorded', () => {
  expect(tools).toEqual(Object.keys(recorded.kernels['6.12']!).sort())
})

describe.skipIf(tools.length === 0).each(Object.keys(recorded.kernels))('on Linux %s', (kernel) => {
  const { btf } = profileFor(kernel)
  test.each(tools)('%s', (tool) => {
    const spec = readObjectBytes(libbpfTool(tool)!, `${tool}.bpf.o`)
    const finder = new CandidateFinder(spec.btf!, { btf, modules: [] })
    const ours: Record<string, string> = {}
    for (const { name, insns, core } of [...Object.values(spec.programs).map(({ code }) => code), ...spec.functions]) {
      const values = core
        .filter(({ kind }) => kind !== 'type_id_local' && kind !== 'type_id_target')
        .map((relocation) => {
          const resolution = resolve(spec.btf!, relocation, finder)
          patch(
            insns.map((insn) => ({ ...insn })),
            relocation.insn,
            resolution,
          )
          return `${relocation.insn}:${resolution.kind === 'poison' ? 'poison' : resolution.value}`
        })
      if (values.length > 0) ours[name] = values.join(' ')
    }
    expect(ours).toEqual(recorded.kernels[kernel]![tool])
  })
})
