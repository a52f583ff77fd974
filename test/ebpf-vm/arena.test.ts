import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../base/errno.ts'
import { kernelAddress, PAGE_SIZE } from '../../base/memory.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import { classify } from '../../ebpf-vm/isa/forms.ts'
import type { LoadedProgram, Machine } from '../../ebpf-vm/machine.ts'
import { ArenaMap } from '../../ebpf-vm/maps/arena.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { MapAttr } from '../../ebpf-vm/maps/map.ts'
import type { VerifiedProgram } from '../../ebpf-vm/program.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'

const MMAPABLE = 1 << 10
const USER = 0x7f12_8000_0000
const attr = { type: MAP_TYPE.arena, keySize: 0, valueSize: 0, maxEntries: 4, mapFlags: MMAPABLE, mapExtra: USER }

const create = (machine: Machine, changed: Partial<MapAttr> = {}): ArenaMap | number =>
  createMap(machine, mapTypes(...plainMapTypes), { ...attr, ...changed }) as ArenaMap | number

function arenaOf(machine: Machine): ArenaMap {
  const map = create(machine)
  if (!(map instanceof ArenaMap)) throw new Error(`arena: ${map}`)
  return map
}

/** `ARENA` is the map's address; loads and stores through r6 are the arena's. */
function program(map: ArenaMap, text: string): VerifiedProgram {
  const source = text.replaceAll('ARENA', `0x${kernelAddress(map.address).toString(16)} ll`)
  const { insns, relocations } = assemble(source)
  const access = insns.map((insn) => {
    const form = classify(insn)
    const base = form?.kind === 'ldx' ? insn.src : insn.dst
    const isAccess = form?.kind === 'ldx' || form?.kind === 'st' || form?.kind === 'stx' || form?.kind === 'atomic'
    return isAccess ? (base === 6 ? 'arena' : 'unproved') : 'none'
  })
  const kfuncs = new Map(relocations.map(({ slot, name }) => [slot, { name }]))
  return { ...unverified(insns), access, kfuncs, maps: [map] }
}

describe('arena map', () => {
  test.each<[string, Partial<MapAttr>, number]>([
    ['a key', { keySize: 4 }, -ERRNO.EINVAL],
    ['a value', { valueSize: 4 }, -ERRNO.EINVAL],
    ['no pages', { maxEntries: 0 }, -ERRNO.EINVAL],
    ['no BPF_F_MMAPABLE', { mapFlags: 0 }, -ERRNO.EINVAL],
    ['an address that is no page', { mapExtra: 8 }, -ERRNO.EINVAL],
    ['more than 4 GiB', { maxEntries: 0x100001 }, -ERRNO.E2BIG],
    ['a range over a 4 GiB boundary', { mapExtra: 0x1_ffff_e000 }, -ERRNO.ERANGE],
    ['more than the machine has', { maxEntries: 100_000 }, -ERRNO.ENOMEM],
  ])('with %s is refused', (_, changed, errno) => {
    expect(create(bareMachine(), changed)).toBe(errno)
  })

  test('gives the tightest gap, and pages that were freed are zero again', () => {
    const machine = bareMachine()
    const arena = arenaOf(machine)
    expect(arena.allocate(4, -1)).toBe(0)
    expect(arena.allocate(1, -1)).toBe(-1)
    machine.mem.u8.fill(7, arena.data, arena.data + 4 * PAGE_SIZE)
    arena.freePages(0, 2)
    arena.freePages(3, 9)
    expect(arena.allocate(1, -1)).toBe(3)
    expect(arena.allocate(1, 3)).toBe(-1)
    expect(arena.allocate(2, 0)).toBe(0)
    expect(machine.mem.u8[arena.data]).toBe(0)
    expect(machine.mem.u8[arena.data + 2 * PAGE_SIZE]).toBe(7)
    expect(arena.memoryBytes).toBe(4 * PAGE_SIZE)
  })
})

for (const engine of Object.values(ENGINES)) {
  /** On this engine itself: what does not compile would run in the interpreter. */
  const load = (machine: Machine, loaded: VerifiedProgram): LoadedProgram => {
    const result = engine.load(machine, loaded)
    expect(result.engine).toBe(engine.name)
    return result
  }
  describe(`${engine.name}: programs on an arena`, () => {
    test('allocate, cast, store, load and free', () => {
      const machine = bareMachine()
      const arena = arenaOf(machine)
      const text = `
        r1 = ARENA
        r2 = 0
        r3 = 2
        r4 = -1
        r5 = 0
        call bpf_arena_alloc_pages
        r7 = r0
        r6 = addr_space_cast(r0, 0, 1)
        *(u64 *)(r6 +8) = 5
        r1 = 37
        lock *(u64 *)(r6 +8) += r1
        r8 = addr_space_cast(r6, 1, 0)
        r8 -= r7
        r9 = *(u64 *)(r6 +8)
        r9 += r8
        r0 = r9
        exit`
      expect(load(machine, program(arena, text)).runWide(0)).toBe(42n)
      expect(machine.mem.readU64(arena.data + 8)).toBe(42n)
      const free = `
        r1 = ARENA
        r2 = 0x${USER.toString(16)} ll
        r3 = 1
        call bpf_arena_free_pages
        r0 = 0
        exit`
      load(machine, program(arena, free)).run(0)
      expect(arena.memoryBytes).toBe(PAGE_SIZE)
    })

    test('the address is that of user space', () => {
      const machine = bareMachine()
      const arena = arenaOf(machine)
      const text = 'r1 = ARENA\nr2 = 0\nr3 = 1\nr4 = -1\nr5 = 0\ncall bpf_arena_alloc_pages\nexit'
      expect(load(machine, program(arena, text)).runWide(0)).toBe(BigInt(USER))
      expect(load(machine, program(arena, text)).runWide(0)).toBe(BigInt(USER + PAGE_SIZE))
      arena.allocate(2, -1)
      expect(load(machine, program(arena, text)).runWide(0)).toBe(0n)
    })

    test('pages that are not there read 0 and store nothing, within the arena and outside', () => {
      const machine = bareMachine()
      const arena = arenaOf(machine)
      arena.allocate(1, 1)
      machine.mem.u8.fill(0xff, arena.data + PAGE_SIZE, arena.data + 2 * PAGE_SIZE)
      const text = `
        r6 = ${USER & 0xffffffff}
        w6 = w6
        *(u64 *)(r6 +0) = -1
        r0 = *(u64 *)(r6 +0)
        r1 = *(u64 *)(r6 +4092)
        r0 += r1
        r1 = *(s8 *)(r6 -1)
        r0 += r1
        r6 += 32767
        r1 = *(u32 *)(r6 +1)
        r0 += r1
        r6 = 0
        r1 = *(u8 *)(r6 +0)
        r0 += r1
        exit`
      expect(load(machine, program(arena, text)).runWide(0)).toBe(0n)
      expect(machine.mem.readU64(arena.data)).toBe(0n)
    })

    test('NULL stays NULL', () => {
      const machine = bareMachine()
      const text = 'r1 = 0x100000000 ll\nr0 = addr_space_cast(r1, 1, 0)\nexit'
      expect(load(machine, program(arenaOf(machine), text)).runWide(0)).toBe(0n)
    })
  })
}
