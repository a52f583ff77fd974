// One of the benchmark's objects, made ready for an engine: read, linked, its maps created in the machine, verified.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Machine } from '../../ebpf-vm/machine.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { factsFor } from '../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../ebpf-vm/verifier/verify.ts'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import { linkProgram } from '../../user-space/object/link.ts'
import { readObjectBytes } from '../../user-space/object/read.ts'

export const FOLDER = path.resolve(import.meta.dirname, '../../../test/bench/programs')

export interface BenchProgram {
  readonly name: string
  readonly program: VerifiedProgram
  readonly maps: readonly BpfMap[]
}

/** What the context's fields are converted to comes from this kernel's BTF. */
const profile = profileFor('6.12')

/** The program `name`, with maps of its own. */
export function readProgram(machine: Machine, name: string): BenchProgram {
  const file = `${name}.bpf.o`
  const spec = readObjectBytes(readFileSync(path.join(FOLDER, file)), file)
  const types = mapTypes(...plainMapTypes)
  const maps: BpfMap[] = []
  const byName = new Map<string, number>()
  for (const map of Object.values(spec.maps)) {
    const created = createMap(machine, types, {
      type: map.type,
      name: map.kernelName,
      keySize: map.keySize,
      valueSize: map.valueSize,
      maxEntries: map.maxEntries,
      mapFlags: map.flags,
    })
    if (typeof created === 'number') throw new Error(`${file}: map ${map.name}: error ${created}`)
    byName.set(map.name, maps.push(created) - 1)
  }
  const program = Object.values(spec.programs)[0]!
  const linked = linkProgram(program, {
    spec,
    finder: undefined,
    externs: new Map(),
    mapFd: (map) => byName.get(map),
    moduleFd: () => ({ fd: -1, index: 0 }),
  })
  const result = verify(
    {
      name,
      type: PROG_TYPE.xdp,
      expectedAttachType: ATTACH_TYPE.xdp,
      insns: linked.insns,
      license: spec.license,
      flags: 0,
      mapByFd: (fd) => maps[fd],
    },
    factsFor({ release: profile.release, btf: profile.btf }),
    { logLevel: 1 },
  )
  if (!result.ok) throw new Error(`${file} is refused:\n${result.log}`)
  return { name, program: result.program, maps }
}
