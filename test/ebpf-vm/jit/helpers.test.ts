// Helpers that the compiler carries out itself do what their implementations do: the same program on the interpreter, compiled with
// helpers imported, and compiled with helpers inlined gives the same r0, the same charged time and the same maps.

import { describe, expect, test } from 'vitest'
import { KERNEL_HI } from '../../../base/memory.ts'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { unverified } from '../../../ebpf-vm/bare.ts'
import { plainHelpers } from '../../../ebpf-vm/helpers/impl/plain.ts'
import { interpreter } from '../../../ebpf-vm/interpreter/interpreter.ts'
import { isLdImm64 } from '../../../ebpf-vm/isa/insn.ts'
import { CompiledProgram } from '../../../ebpf-vm/jit/jit.ts'
import type { LoadedProgram, Machine } from '../../../ebpf-vm/machine.ts'
import type { BpfMap, MapAttr } from '../../../ebpf-vm/maps/map.ts'
import { RingbufMap } from '../../../ebpf-vm/maps/ringbuf.ts'
import type { VerifiedProgram } from '../../../ebpf-vm/program.ts'
import { MAP_TYPE } from '../../../ebpf-vm/uapi.ts'
import { TestPlatform, testMachine, testMap } from '../support.ts'

const ENGINES: Record<string, (machine: Machine, program: VerifiedProgram) => LoadedProgram> = {
  interpreter: (machine, program) => interpreter.load(machine, program),
  imported: (machine, program) => new CompiledProgram(machine, program, false),
  inlined: (machine, program) => new CompiledProgram(machine, program),
}

/** Every element in bpf(2)'s format; of a ring buffer, the samples. */
function contents(map: BpfMap): string[] {
  const { mem, alloc } = map.machine
  const found: string[] = []
  const hex = (at: number, length: number): string => Buffer.from(mem.bytes(at, length)).toString('hex')
  if (map instanceof RingbufMap) {
    map.consume((at, length) => found.push(hex(at, length)))
    return [...found, `lost ${map.lost}`]
  }
  const key = alloc.alloc(64)
  const out = alloc.alloc(1024)
  for (let error = map.nextKey(0, key); error === 0; error = map.nextKey(key, key)) {
    map.readValue(key, out)
    found.push(`${hex(key, map.keySize)}: ${hex(out, map.syscallValueSize)}`)
  }
  return found
}

/** Run `asm` `runs` times on one engine; ctx is 64 bytes of memory that count the runs in its first word. */
function outcome(engine: string, asm: string, attr: MapAttr, runs: number): unknown {
  const platform = new TestPlatform()
  const machine = testMachine(platform, plainHelpers)
  const map = testMap(machine, attr)
  platform.currentCpu = 1
  const { insns } = assemble(asm, { maps: { m: 0 } })
  insns.forEach((insn, slot) => {
    if (!isLdImm64(insn) || insn.src === 0) return
    insn.src = 0
    insn.imm = map.address
    insns[slot + 1]!.imm = KERNEL_HI
  })
  let wakeups = 0
  map.onWakeup = () => wakeups++
  const submits: number[] = []
  if (map instanceof RingbufMap && runs % 2 === 0) map.onSubmit = () => submits.push(platform.timeNs)
  const program = ENGINES[engine]!(machine, { ...unverified(insns), maps: [map] })
  const ctx = machine.alloc.alloc(64)
  const results: bigint[] = []
  for (let i = 0; i < runs; i++) {
    machine.mem.dv.setUint32(ctx, i, true)
    results.push(program.runWide(ctx))
  }
  return { results, map: contents(map), wakeups, submits, charged: platform.charged, stack: machine.pushStack(0) }
}

function same(title: string, attr: MapAttr, asm: string, runs = 40): void {
  test(title, () => {
    const expected = outcome('interpreter', asm, attr, runs)
    expect(outcome('imported', asm, attr, runs)).toEqual(expected)
    expect(outcome('inlined', asm, attr, runs)).toEqual(expected)
  })
}

const LOOKUP = (store: string): string => `
r6 = r1
r7 = *(u32 *)(r1 +0)
${store}
r2 = r10
r2 += -16
r1 = m ll
call map_lookup_elem
`
const COUNT = `
if r0 == 0 goto none
r1 = *(u64 *)(r0 +0)
r1 += 1
*(u64 *)(r0 +0) = r1
r0 = r1
exit
none: r0 = -7
exit`

describe('array lookup', () => {
  for (const type of [MAP_TYPE.array, MAP_TYPE.percpu_array]) {
    for (const valueSize of [8, 24]) {
      const attr = { type, keySize: 4, valueSize, maxEntries: 7 }
      const name = `type ${type}, values of ${valueSize}`
      same(`${name}: counts, refuses what is out of range`, attr, LOOKUP('r7 &= 15\n*(u32 *)(r10 -16) = r7') + COUNT)
      same(`${name}: the test of r0 comes later`, attr, `${LOOKUP('*(u32 *)(r10 -16) = r7')}r8 = r0${COUNT}`)
      same(
        `${name}: r0 is used where it is NULL`,
        attr,
        `${LOOKUP('*(u32 *)(r10 -16) = r7')}
        if r0 == 0 goto out
        r0 = *(u64 *)(r0 +0)
        out: exit`,
      )
      same(
        `${name}: the key's register changes between store and call`,
        attr,
        `${LOOKUP('*(u32 *)(r10 -16) = r7\nr7 += 3')}
        if r0 != 0 goto some
        r0 = 5
        exit
        some: r0 = *(u32 *)(r0 +0)
        r0 += r7
        exit`,
      )
      same(
        `${name}: the key's bytes come from several stores`,
        attr,
        LOOKUP('*(u32 *)(r10 -16) = 0\n*(u8 *)(r10 -16) = r7') + COUNT,
      )
    }
  }
})

describe('hash maps', () => {
  for (const type of [MAP_TYPE.hash, MAP_TYPE.percpu_hash, MAP_TYPE.lru_hash]) {
    for (const keySize of [3, 4, 8, 16]) {
      const attr = { type, keySize, valueSize: 16, maxEntries: 16 }
      same(
        `type ${type}, keys of ${keySize}: lookup, update, delete`,
        attr,
        `
        ${LOOKUP(`r7 *= 7
          r7 &= 31
          r8 = r7
          r8 <<= 32
          r8 |= r7
          *(u64 *)(r10 -16) = r8
          *(u64 *)(r10 -8) = r8`)}
        if r0 != 0 goto some
        *(u64 *)(r10 -32) = r8
        *(u64 *)(r10 -24) = 2
        r1 = m ll
        r2 = r10
        r2 += -16
        r3 = r10
        r3 += -32
        r4 = 0
        call map_update_elem
        exit
        some: r1 = *(u64 *)(r0 +0)
        r2 = r1
        r2 += 1
        *(u64 *)(r0 +0) = r2
        r1 &= 3
        if r1 != 3 goto keep
        r1 = m ll
        r2 = r10
        r2 += -16
        call map_delete_elem
        keep: r0 += r8
        exit`,
        200,
      )
    }
  }
  for (const flags of [0, 1, 2, 3, 8]) {
    same(
      `update with flags ${flags}`,
      { type: MAP_TYPE.hash, keySize: 4, valueSize: 4, maxEntries: 4 },
      `
      r7 = *(u32 *)(r1 +0)
      r7 &= 7
      *(u32 *)(r10 -16) = r7
      r1 = m ll
      r2 = r10
      r2 += -16
      r3 = r2
      r4 = ${flags}
      if r7 == 5 goto always
      call map_update_elem
      exit
      always: r4 = 0
      call map_update_elem
      exit`,
    )
  }
})

describe('ring buffer', () => {
  const attr = { type: MAP_TYPE.ringbuf, keySize: 0, valueSize: 0, maxEntries: 4096 }
  for (const [title, flags] of [
    ['', 0],
    [' without wakeup', 1],
    [' with forced wakeup', 2],
  ] as const) {
    same(
      `reserve and submit${title}, until it is full`,
      attr,
      `
      r6 = *(u32 *)(r1 +0)
      r1 = m ll
      r2 = 100
      r3 = 0
      call ringbuf_reserve
      if r0 == 0 goto none
      *(u32 *)(r0 +0) = r6
      *(u32 *)(r0 +96) = r6
      r1 = r0
      r2 = ${flags}
      r6 &= 3
      if r6 == 3 goto drop
      call ringbuf_submit
      r0 = 1
      exit
      drop: call ringbuf_discard
      none: r0 = 0
      exit`,
      50,
    )
  }
})

describe('time and identity', () => {
  same(
    'ktime includes what was charged, CPU is the current one',
    { type: MAP_TYPE.array, keySize: 4, valueSize: 8, maxEntries: 1 },
    `
    call ktime_get_ns
    r6 = r0
    call get_prandom_u32
    call get_smp_processor_id
    r7 = r0
    call ktime_get_ns
    r0 -= r6
    r0 <<= 8
    r0 += r7
    r6 <<= 32
    r0 += r6
    exit`,
  )
})
