import { describe, expect, test } from 'vitest'
import { boot } from '../../../kernel-sim/boot.ts'
import { reportedState } from '../../../kernel-sim/trace/events/sched.ts'
import { script } from '../script.ts'

describe('a tracepoint', () => {
  test('hands out raw arguments and the record of the kernel version', () => {
    const k = boot({ memoryBytes: 64 << 20 })
    const { schedSwitch } = k.trace
    expect(schedSwitch.armed).toBe(false)
    const [prev, next] = [k.cpus[0]!.idle, k.cpus[1]!.idle]
    const raw: bigint[] = []
    let record: Uint8Array = new Uint8Array()
    schedSwitch.attachRaw((args) => {
      for (let i = 0; i < 4; i++) raw.push(k.mem.readU64(args + i * 8))
    })
    const detach = schedSwitch.attachRecord((at, size) => {
      record = k.mem.bytes(at, size)
    })
    schedSwitch.emit(1, prev, next, 0)
    expect(raw).toEqual([1n, 0xffff888000000000n + BigInt(prev.at), 0xffff888000000000n + BigInt(next.at), 0n])
    const dv = new DataView(record.buffer)
    expect(record.length % 8).toBe(4)
    expect(dv.getUint16(0, true)).toBe(schedSwitch.record!.id)
    const text = (at: number) => String.fromCharCode(...record.subarray(at, record.indexOf(0, at)))
    expect([text(8), text(40), dv.getInt32(24, true), dv.getBigInt64(32, true)]).toEqual([
      'swapper/0',
      'swapper/1',
      0,
      0x100n,
    ])
    detach()
    schedSwitch.emit(0, prev, next, 0)
    expect(raw).toHaveLength(8)
  })

  test('of a system call: the number, then the arguments as the registers hold them', () => {
    const k = boot({ memoryBytes: 64 << 20 })
    const seen: (string | bigint | number)[][] = []
    const read = (at: number, count: number): bigint[] =>
      Array.from({ length: count }, (_, i) => k.mem.readU64(at + 16 + i * 8))
    k.tracepoints.get('syscalls:sys_enter_openat')!.attachRecord((at, size) => {
      seen.push(['enter', size, k.mem.dv.getInt32(at + 8, true), ...read(at, 4)])
    })
    k.tracepoints.get('syscalls:sys_exit_openat')!.attachRecord((at, size) => {
      seen.push(['exit', size, k.mem.dv.getInt32(at + 8, true), ...read(at, 1)])
    })
    k.spawn({
      comm: 'test',
      user: script(k, function* () {
        yield ['openat', -100, 0x7ffd_1234_5678, 0x80000, 0o644]
        return 0
      }),
    })
    k.run({ maxSteps: 1000 })
    expect(seen).toEqual([
      ['enter', 52, 257, 0xffff_ffff_ffff_ff9cn, 0x7ffd_1234_5678n, 0x80000n, 0o644n],
      ['exit', 28, 257, BigInt.asUintN(64, -14n)],
    ])
  })

  test('the state of a task that leaves is one reported bit', () => {
    expect(reportedState(true, 1, 0)).toBe(0x100)
    expect(reportedState(false, 0, 0)).toBe(0)
    expect(reportedState(false, 1, 0)).toBe(1)
    expect(reportedState(false, 0x402, 0)).toBe(0x80)
    expect(reportedState(false, 0x80, 0x20)).toBe(0x20)
  })
})
