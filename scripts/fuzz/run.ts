// Runs fuzzed programs on one engine and says what they leave behind.

import { kernelAddress } from '../../base/memory.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import type { Insn } from '../../ebpf-vm/isa/insn.ts'
import { PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'
import type { Engine } from '../../ebpf-vm/machine.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import type { AccessKind } from '../../ebpf-vm/program.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'
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

export interface EngineRunner {
  readonly name: string
  /**
   * `proved`: with the accesses as what they are by construction, as after the verifier; otherwise all but probes are checked against
   * the whole memory. The maps are new for every program. The memory as it was is the packet.
   */
  run(program: Lowered, memory: Uint8Array, proved: boolean): EngineOutcome
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
    run(program, memory, proved) {
      const maps: BpfMap[] = []
      maps[FUZZ_MAPS.memory] = create(MAP_TYPE.array, MEMORY_BYTES + 8, 1)
      maps[FUZZ_MAPS.array] = create(MAP_TYPE.array, 8, ARRAY_ENTRIES)
      maps[FUZZ_MAPS.hash] = create(MAP_TYPE.hash, 8, HASH_ENTRIES)
      const data = maps[FUZZ_MAPS.memory]!.directValue
      mem.u8.set(memory, data)
      const base = unverified(resolve(program.insns, maps))
      const access = proved
        ? program.access
        : program.access.map((kind): AccessKind => (kind === 'probe' ? kind : 'unproved'))
      packet = new DataView(memory.slice().buffer)
      const loaded = engine.load(machine, { ...base, access })
      if (loaded.engine !== engine.name) throw new Error(`${engine.name} left the program to the ${loaded.engine}`)
      const startNs = machine.platform.nowNs()
      loaded.run(0)
      const keys = [...Array(8).keys()]
      const hash = keys.map((wanted) => [wanted, valueUnder(maps[FUZZ_MAPS.hash]!, wanted)] as const)
      const outcome: EngineOutcome = {
        timeNs: machine.platform.nowNs() - startNs,
        r0: hex(mem.bytes(data + MEMORY_BYTES, 8)),
        memory: hex(mem.bytes(data, MEMORY_BYTES)),
        array: keys.map((wanted) => valueUnder(maps[FUZZ_MAPS.array]!, wanted) ?? '').join(''),
        hash: hash.filter(([, value]) => value !== undefined).map(([wanted, value]) => `${wanted}: ${value}`),
      }
      loaded.free()
      for (const map of maps) map.free()
      return outcome
    },
  }
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

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
