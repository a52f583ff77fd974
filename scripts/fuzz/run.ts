// Runs fuzzed programs on one engine and says what they leave behind.

import { kernelAddress } from '../../base/memory.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import { PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'
import type { Engine, LoadedProgram } from '../../ebpf-vm/machine.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import type { AccessKind, ProgramInput, VerifiedProgram } from '../../ebpf-vm/program.ts'
import { MAP_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { factsFor } from '../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../ebpf-vm/verifier/verify.ts'
import { ARRAY_ENTRIES, FUZZ_MAPS, HASH_ENTRIES, type Lowered, MEMORY_BYTES } from './programs.ts'

/** All that a program can change; hexadecimal, so that a difference reads well. */
export interface Outcome {
  readonly r0: string
  readonly memory: string
  readonly array: string
  /** `key: value` in the order of keys. */
  readonly hash: readonly string[]
}

export interface EngineOutcome extends Outcome {
  /** Virtual time that the run was charged. */
  readonly timeNs: number
}

/**
 * How the program gets to the engine:
 *   checked    nothing is proved: every access but a probe is checked against the whole memory
 *   proved     each access is what it is by construction
 *   verified   through the verifier (programs lowered for Linux), which proves, rewrites and knows the maps
 */
export type Mode = 'checked' | 'proved' | 'verified'

export interface EngineRunner {
  readonly name: string
  /** The maps are new for every program. The memory as it was is the packet. Throws Refused when the verifier refuses. */
  run(program: Lowered, memory: Uint8Array, mode: Mode): EngineOutcome
}

/** The verifier's answer to a program that it did not take. */
export class Refused extends Error {
  override name = 'Refused'
}

const types = mapTypes(...plainMapTypes)

export function engineRunner(engine: Engine): EngineRunner {
  let packet = new DataView(new ArrayBuffer(0))
  const machine = bareMachine({
    memoryBytes: 1 << 20,
    tables: () => ({
      loadPacket(_, offset, bytes) {
        if (offset < 0 || offset + bytes > packet.byteLength) return -1
        if (bytes === 4) return packet.getUint32(offset)
        return bytes === 2 ? packet.getUint16(offset) : packet.getUint8(offset)
      },
    }),
  })
  const { mem, alloc } = machine
  const key = alloc.alloc(8)
  const out = alloc.alloc(8)

  const create = (type: number, valueSize: number, maxEntries: number): BpfMap => {
    const map = createMap(machine, types, { type, keySize: 4, valueSize, maxEntries })
    if (typeof map === 'number') throw new Error(`map not created: ${map}`)
    return map
  }
  /** The value under a key, undefined where there is none. */
  const valueUnder = (map: BpfMap, wanted: number): string | undefined => {
    mem.dv.setUint32(key, wanted, true)
    return map.readValue(key, out) === 0 ? hex(mem.bytes(out, 8)) : undefined
  }

  return {
    name: engine.name,
    run(program, memory, mode) {
      const maps: BpfMap[] = []
      maps[FUZZ_MAPS.memory] = create(MAP_TYPE.array, MEMORY_BYTES + 8, 1)
      maps[FUZZ_MAPS.array] = create(MAP_TYPE.array, 8, ARRAY_ENTRIES)
      maps[FUZZ_MAPS.hash] = create(MAP_TYPE.hash, 8, HASH_ENTRIES)
      const data = maps[FUZZ_MAPS.memory]!.directValue
      mem.u8.set(memory, data)
      packet = new DataView(memory.slice().buffer)
      const top = mem.i32[machine.cells.stackTop >> 2]!
      try {
        return outcomeOf(engine.load(machine, prepare(program, maps, mode)), maps)
      } finally {
        machine.popStack(top)
        for (const map of maps) map.free()
      }
    },
  }

  function outcomeOf(loaded: LoadedProgram, maps: readonly BpfMap[]): EngineOutcome {
    const data = maps[FUZZ_MAPS.memory]!.directValue
    if (loaded.engine !== engine.name) throw new Error(`${engine.name} left the program to the ${loaded.engine}`)
    const startNs = machine.platform.nowNs()
    loaded.run(0)
    const keys = [...Array(8).keys()]
    const hash = keys.map((wanted) => [wanted, valueUnder(maps[FUZZ_MAPS.hash]!, wanted)] as const)
    loaded.free()
    return {
      timeNs: machine.platform.nowNs() - startNs,
      r0: hex(mem.bytes(data + MEMORY_BYTES, 8)),
      memory: hex(mem.bytes(data, MEMORY_BYTES)),
      array: keys.map((wanted) => valueUnder(maps[FUZZ_MAPS.array]!, wanted) ?? '').join(''),
      hash: hash.filter(([, value]) => value !== undefined).map(([wanted, value]) => `${wanted}: ${value}`),
    }
  }
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const facts = factsFor({ release: '6.12.0', btf: undefined })

function prepare(program: Lowered, maps: readonly BpfMap[], mode: Mode): VerifiedProgram {
  if (mode === 'verified') {
    const input: ProgramInput = {
      name: 'fuzzed',
      type: PROG_TYPE.sched_cls,
      expectedAttachType: 0,
      insns: program.insns,
      license: 'GPL',
      flags: 0,
      mapByFd: (fd) => maps[fd],
    }
    const result = verify(input, facts, { logLevel: 0 })
    if (result.ok) return result.program
    throw new Refused(verify(input, facts, { logLevel: 1 }).log)
  }
  const access = program.access.map((kind): AccessKind => (mode === 'proved' || kind === 'probe' ? kind : 'unproved'))
  return { ...unverified(resolve(program.insns, maps)), access }
}

/** Map references as the verifier leaves them: addresses. */
function resolve(insns: readonly Insn[], maps: readonly BpfMap[]): Insn[] {
  const resolved = insns.map((insn) => ({ ...insn }))
  resolved.forEach((insn, slot) => {
    if (insn.code !== 0x18 || (insn.src !== PSEUDO.map_fd && insn.src !== PSEUDO.map_value)) return
    const map = maps[insn.imm]!
    const at = insn.src === PSEUDO.map_fd ? map.address : map.directValue + resolved[slot + 1]!.imm
    const address = kernelAddress(at)
    insn.src = 0
    insn.imm = Number(BigInt.asIntN(32, address))
    resolved[slot + 1]!.imm = Number(BigInt.asIntN(32, address >> 32n))
  })
  return resolved
}
