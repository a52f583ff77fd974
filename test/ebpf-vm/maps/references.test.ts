import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { KERNEL_HI } from '../../../base/memory.ts'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { unverified } from '../../../ebpf-vm/bare.ts'
import { ENGINES } from '../../../ebpf-vm/engines.ts'
import { plainHelpers } from '../../../ebpf-vm/helpers/impl/plain.ts'
import { isLdImm64 } from '../../../ebpf-vm/isa/insn.ts'
import type { EngineName, LoadedProgram, Machine } from '../../../ebpf-vm/machine.ts'
import type { BpfMap } from '../../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../../ebpf-vm/uapi.ts'
import { TestPlatform, testMachine, testMap, tryMap } from '../support.ts'

const { EBADF, EINVAL, E2BIG, ENOENT } = ERRNO

/** Something with an id that counts who holds it. */
class Ref {
  held = 0
  readonly id: number
  constructor(id: number) {
    this.id = id
  }
  hold(): void {
    this.held++
  }
  release(): void {
    this.held--
  }
}
class MapRef extends Ref {
  readonly map: BpfMap
  constructor(map: BpfMap) {
    super(map.id)
    this.map = map
  }
}
class ProgramRef extends Ref {
  readonly loaded: LoadedProgram
  constructor(loaded: LoadedProgram) {
    super(7)
    this.loaded = loaded
  }
}

function load(machine: Machine, engine: EngineName, asm: string, map: BpfMap): LoadedProgram {
  const { insns } = assemble(asm, { maps: { m: 0 } })
  insns.forEach((insn, slot) => {
    if (!isLdImm64(insn) || insn.src !== 1) return
    insn.src = 0
    insn.imm = map.address
    insns[slot + 1]!.imm = KERNEL_HI
  })
  return ENGINES[engine].load(machine, { ...unverified(insns), maps: [map] })
}

describe('tail calls', () => {
  const CALLER = `
    r6 = r1
    r2 = m ll
    r3 = 0
    call tail_call
    r0 = *(u64 *)(r6 +0)
    exit`
  for (const caller of ['interpreter', 'jit'] as const) {
    for (const callee of ['interpreter', 'jit'] as const) {
      const setup = () => {
        const machine = testMachine(new TestPlatform(), plainHelpers)
        const map = testMap(machine, { type: MAP_TYPE.prog_array, keySize: 4, valueSize: 4, maxEntries: 4 })
        const key = machine.alloc.alloc(8)
        const ctx = machine.alloc.alloc(8)
        machine.mem.dv.setBigUint64(ctx, 0n, true)
        return { machine, map, key, ctx }
      }
      test(`${caller} enters ${callee}; its r0 is the result, in full`, () => {
        const { machine, map, key, ctx } = setup()
        const first = load(machine, caller, CALLER, map)
        expect(first.runWide(ctx)).toBe(0n)
        const second = new ProgramRef(load(machine, callee, 'r0 = 0x123456789 ll\nexit', map))
        expect(map.putObject(key, second, 0)).toBe(0)
        expect(first.runWide(ctx)).toBe(0x123456789n)
        expect(map.readValue(key, key + 4)).toBe(0)
        expect(machine.mem.dv.getUint32(key + 4, true)).toBe(7)
        expect(map.deleteKey(key)).toBe(0)
        expect(second.held).toBe(0)
        expect(first.runWide(ctx)).toBe(0n)
      })
      test(`${caller} and ${callee} enter each other 33 times, then fall through`, () => {
        const { machine, map, key, ctx } = setup()
        const bounce = (index: number): string => `
          r6 = r1
          r2 = *(u64 *)(r1 +0)
          r2 += 1
          *(u64 *)(r1 +0) = r2
          *(u64 *)(r10 -8) = r2
          r2 = m ll
          r3 = ${index}
          call tail_call
          r0 = *(u64 *)(r6 +0)
          exit`
        const first = load(machine, caller, bounce(1), map)
        const second = load(machine, callee, bounce(0), map)
        map.putObject(key, new ProgramRef(first), 0)
        machine.mem.dv.setUint32(key, 1, true)
        map.putObject(key, new ProgramRef(second), 0)
        expect(first.runWide(ctx)).toBe(34n)
        const stack = machine.pushStack(0)
        machine.mem.dv.setBigUint64(ctx, 0n, true)
        expect(first.runWide(ctx)).toBe(34n)
        expect(machine.pushStack(0)).toBe(stack)
      })
    }
  }
  test('one type of programs in an array; indexes are checked', () => {
    const machine = testMachine(new TestPlatform(), plainHelpers)
    const map = testMap(machine, { type: MAP_TYPE.prog_array, keySize: 4, valueSize: 4, maxEntries: 4 })
    const key = machine.alloc.alloc(8)
    const loaded = load(machine, 'interpreter', 'r0 = 0\nexit', map)
    expect(map.putObject(key, new ProgramRef(loaded), 0)).toBe(0)
    const other = { ...loaded, program: { ...loaded.program, type: 5 } } as LoadedProgram
    expect(map.putObject(key, new ProgramRef(other), 0)).toBe(-EINVAL)
    machine.mem.dv.setUint32(key, 4, true)
    expect(map.putObject(key, new ProgramRef(loaded), 0)).toBe(-E2BIG)
    expect(map.readValue(key, key)).toBe(-ENOENT)
  })
})

describe('maps of maps', () => {
  const machine = testMachine(new TestPlatform(), plainHelpers)
  const inner = { type: MAP_TYPE.hash, keySize: 4, valueSize: 8, maxEntries: 4 }
  const key = machine.alloc.alloc(8)
  for (const type of [MAP_TYPE.array_of_maps, MAP_TYPE.hash_of_maps]) {
    for (const engine of ['interpreter', 'jit'] as const) {
      test(`type ${type}, ${engine}: a program finds the inner map and writes to it`, () => {
        const template = testMap(machine, inner)
        const outer = testMap(machine, { type, keySize: 4, valueSize: 4, maxEntries: 4, inner: template })
        const map = new MapRef(testMap(machine, inner))
        machine.mem.dv.setUint32(key, 2, true)
        expect(outer.putObject(key, map, 0)).toBe(0)
        expect(outer.putObject(key, new MapRef(testMap(machine, { ...inner, valueSize: 4 })), 0)).toBe(-EINVAL)
        const program = load(
          machine,
          engine,
          `*(u32 *)(r10 -4) = 2
          r1 = m ll
          r2 = r10
          r2 += -4
          call map_lookup_elem
          if r0 == 0 goto out
          r1 = r0
          *(u64 *)(r10 -16) = 99
          r2 = r10
          r2 += -4
          r3 = r10
          r3 += -16
          r4 = 0
          call map_update_elem
          r0 = 1
          out: exit`,
          outer,
        )
        expect(program.run(0)).toBe(1)
        expect(machine.mem.dv.getUint32(map.map.lookup(key), true)).toBe(99)
        expect(outer.readValue(key, key + 4)).toBe(0)
        expect(machine.mem.dv.getUint32(key + 4, true)).toBe(map.id)
        expect(outer.deleteKey(key)).toBe(0)
        expect([map.held, program.run(0)]).toEqual([0, 0])
      })
    }
  }
  test('a template is needed, and no map of maps is one', () => {
    const attr = { type: MAP_TYPE.array_of_maps, keySize: 4, valueSize: 4, maxEntries: 4 }
    expect(tryMap(machine, attr)).toBe(-EBADF)
    const outer = testMap(machine, { ...attr, inner: testMap(machine, inner) })
    expect(tryMap(machine, { ...attr, inner: outer })).toBe(-EINVAL)
  })
})
