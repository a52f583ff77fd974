// Tail calls: 33 deep, across programs and engines, from functions, to empty slots.

import { beforeEach, describe, expect, test } from 'vitest'
import { kernelAddress } from '../../base/memory.ts'
import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { bareMachine, unverified } from '../../ebpf-vm/bare.ts'
import { ENGINES } from '../../ebpf-vm/engines.ts'
import type { Engine, LoadedProgram, Machine } from '../../ebpf-vm/machine.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import { MAP_TYPE } from '../../ebpf-vm/uapi.ts'

const engines = Object.values(ENGINES)
const pairs = engines.flatMap((a) => engines.map((b): [string, Engine, Engine] => [`${a.name} to ${b.name}`, a, b]))

let machine: Machine
let array: BpfMap
let ctx: number

beforeEach(() => {
  machine = bareMachine()
  const map = createMap(machine, mapTypes(...plainMapTypes), {
    type: MAP_TYPE.prog_array,
    keySize: 4,
    valueSize: 4,
    maxEntries: 4,
  })
  if (typeof map === 'number') throw new Error(`prog array: ${map}`)
  array = map
  ctx = machine.alloc.alloc(64)
})

/** `ARRAY` in the text is the array's address. */
const load = (engine: Engine, text: string): LoadedProgram => {
  const { insns } = assemble(text.replace('ARRAY', `0x${kernelAddress(array.address).toString(16)} ll`))
  return engine.load(machine, unverified(insns))
}

const put = (index: number, loaded: LoadedProgram): void => {
  const key = machine.alloc.alloc(4)
  machine.mem.dv.setUint32(key, index, true)
  const held = { id: 1, loaded, hold: () => {}, release: () => {} }
  expect(array.putObject(key, held, 0)).toBe(0)
}

const counter = (): number => machine.mem.dv.getUint32(ctx, true)

/** Counts in the context, then enters the program in slot `index`; ends with `r0` when that does not happen. */
const counting = (index: number, r0: number): string => `
    r6 = r1
    r2 = 1
    lock *(u64 *)(r6 +0) += r2
    *(u64 *)(r10 -512) = 1
    r1 = r6
    r2 = ARRAY
    r3 = ${index}
    call bpf_tail_call
    r0 = ${r0}
    exit`

describe('tail calls', () => {
  test.each(pairs)('%s: the program in the slot runs instead, with the same context', (_, first, second) => {
    put(2, load(second, '*(u32 *)(r1 +0) = 9\nr0 = 0x700000008 ll\nexit'))
    const loaded = load(first, counting(2, 1))
    expect(loaded.runWide(ctx)).toBe(0x700000008n)
    expect(counter()).toBe(9)
  })

  test.each(pairs)('%s: 33 may follow each other, across programs', (_, first, second) => {
    const loaded = load(first, counting(1, 5))
    put(0, loaded)
    put(1, load(second, counting(0, 6)))
    const top = machine.mem.i32[machine.cells.stackTop >> 2]
    for (let run = 1; run <= 2; run++) {
      machine.mem.dv.setUint32(ctx, 0, true)
      expect(loaded.run(ctx)).toBe(6)
      expect(counter()).toBe(34)
    }
    expect(machine.mem.i32[machine.cells.stackTop >> 2]).toBe(top)
  })

  for (const engine of engines) {
    test(`${engine.name}: an empty slot and an index out of range go on behind the call`, () => {
      expect(load(engine, counting(3, 5)).run(ctx)).toBe(5)
      expect(load(engine, counting(4, 6)).run(ctx)).toBe(6)
      expect(load(engine, counting(-1, 7)).run(ctx)).toBe(7)
    })

    test(`${engine.name}: in a function, the program's result is the function's`, () => {
      put(0, load(engine, 'r0 = 40\nexit'))
      const text = `
          r6 = 2
          call f
          r0 += r6
          exit
        f:
          r2 = ARRAY
          r3 = 0
          call bpf_tail_call
          r0 = 1
          exit`
      expect(load(engine, text).run(ctx)).toBe(42)
    })
  }
})
