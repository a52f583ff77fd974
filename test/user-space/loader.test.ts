// The loader on bpf(2), end to end: maps, variables, attaching, readers and what goes wrong.

import { describe, expect, test } from 'vitest'
import { array, char, struct, u32, u64 } from '../../base/struct.ts'
import { Calls } from '../../user-space/loader/calls.ts'
import { KCONFIG } from '../../user-space/loader/kconfig.ts'
import { loadObject } from '../../user-space/loader/load.ts'
import type { Scheduler } from '../../user-space/loader/scheduler.ts'
import { assembleObject, program } from '../../user-space/object/assembled.ts'
import type { ObjectShape, ObjectSpec } from '../../user-space/object/spec.ts'
import { rig } from '../hooks/rig.ts'
import { readTestObject } from './object/support.ts'

/** A kernel, and a loader whose poll times come when `poll` is called. */
function machine() {
  const { kernel, host, task } = rig()
  const due: (() => void)[] = []
  const scheduler: Scheduler = {
    get nowNs() {
      return kernel.nowNs
    },
    at: (_, run) => void due.push(run),
    interrupt: () => {},
    advance() {
      const run = due.shift()
      run?.()
      return Promise.resolve(run !== undefined)
    },
    onEnd: () => {},
  }
  const calls = new Calls(host, task)
  const target = {
    release: kernel.release,
    btf: kernel.profile.btf,
    modules: [],
    config: KCONFIG,
    symbolAddress: () => 1n,
  }
  return {
    kernel,
    task,
    rename: () => {
      const { taskRename } = kernel.trace
      if (taskRename.armed) taskRename.emit(task, task.at)
    },
    poll() {
      for (const run of due.splice(0)) run()
    },
    load: <T extends ObjectShape>(spec: ObjectSpec<T>) => loadObject(calls, scheduler, target, spec, {}),
  }
}

const COUNT = `
  *(u32 *)(r10 - 4) = 0
  r2 = r10
  r2 += -4
  r1 = map[counts]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r1 = 1
  lock *(u64 *)(r0 + 0) += r1
out:
  r0 = 0
  exit`

const counter = (section: string) =>
  program({ section, maps: { counts: { type: 'array', key: u32, value: u64, maxEntries: 1 } }, asm: COUNT })

test('an assembled program counts until it is detached', () => {
  const m = machine()
  using counting = m.load(counter('tracepoint/task/task_rename'))
  m.rename()
  expect(counting.maps.counts.value).toBe(0n)
  counting.attach()
  m.rename()
  m.rename()
  expect(counting.maps.counts.get(0)).toBe(2n)
  expect([counting.programs['main']!.runs, counting.programs['main']!.missed]).toEqual([2, 0])
  counting.detach()
  m.rename()
  expect(counting.maps.counts.value).toBe(2n)
})

test('closing gives up everything', () => {
  const m = machine()
  const counting = m.load(counter('tp/task/task_rename'))
  counting.attach()
  expect(m.kernel.trace.taskRename.armed).toBe(true)
  counting.close()
  expect(m.kernel.trace.taskRename.armed).toBe(false)
  expect(() => counting.programs['main']!.runs).toThrow("prog 'main': its descriptor is closed")
})

describe('maps', () => {
  const value = struct('value', { count: u64, name: array(char, 8) })
  const spec = () =>
    assembleObject({
      maps: {
        values: { type: 'hash', key: u32, value, maxEntries: 2 },
        percpu: { type: 'percpu_array', key: u32, value: u32, maxEntries: 1 },
      },
      programs: {},
    })

  test('are read, written and iterated as values', () => {
    const { maps } = machine().load(spec())
    maps.values.set(7, { count: 1n, name: 'seven' })
    maps.values.set(8, { count: 2n, name: 'eight' })
    expect(maps.values.get(7)).toEqual({ count: 1n, name: 'seven' })
    expect(maps.values.get(9)).toBeUndefined()
    expect([...maps.values].sort(([a], [b]) => a - b)).toEqual([
      [7, { count: 1n, name: 'seven' }],
      [8, { count: 2n, name: 'eight' }],
    ])
    expect([maps.values.delete(7), maps.values.delete(7)]).toEqual([true, false])
  })

  test('say Linux’s errors in one line', () => {
    const { maps } = machine().load(spec())
    for (const key of [1, 2]) maps.values.set(key, { count: 0n, name: '' })
    expect(() => maps.values.set(3, { count: 0n, name: '' })).toThrow(
      "map 'values': update: Argument list too long (E2BIG)",
    )
    expect(() => maps.values.reader()).toThrow("map 'values' is no ring buffer and no perf event array")
  })

  test('per CPU are lists', () => {
    const { maps } = machine().load(spec())
    expect(maps.percpu.get(0)).toEqual([0, 0])
    maps.percpu.set(0, [3, 4] as never)
    expect(maps.percpu.get(0)).toEqual([3, 4])
  })

  test('that make no sense are refused with the reason', () => {
    const odd = assembleObject({ maps: { odd: { type: 'hash', key: u32, value: u64 } }, programs: {} })
    expect(() => machine().load(odd)).toThrow(
      /map 'odd': failed to create: Invalid argument \(EINVAL\); max_entries is 0/,
    )
  })
})

describe('global variables', () => {
  test('are loaded as the spec has them, and read and written while loaded', () => {
    const spec = readTestObject('maps')
    for (const { spec: each } of [{ spec }])
      for (const program of Object.values(each.programs)) program.autoload = false
    for (const name of ['by_size', 'extra', 'outer', 'jumps', 'ring']) spec.maps[name]!.autocreate = false
    spec.variables['limit'] = 9
    const loaded = machine().load(spec)
    expect(loaded.variables).toMatchObject({ limit: 9, greeting: 'hello', counter: 0n })
    loaded.variables['counter'] = 5n
    expect(loaded.maps['.bss']!.value).toMatchObject({ counter: 5n })
    expect(() => {
      loaded.variables['limit'] = 10
    }).toThrow("map '.rodata': update: Operation not permitted (EPERM)")
  })
})

const EVENT = struct('event', { number: u32, also: u32 })

describe('readers', () => {
  const ring = (bytes: number) =>
    program({
      section: 'tracepoint/task/task_rename',
      maps: { events: { type: 'ringbuf', maxEntries: bytes, event: EVENT } },
      asm: `
        *(u32 *)(r10 - 8) = 7
        *(u32 *)(r10 - 4) = 8
        r1 = map[events]
        r2 = r10
        r2 += -8
        r3 = 8
        r4 = 0
        call bpf_ringbuf_output
        r0 = 0
        exit`,
    })

  test('of a ring buffer get batches at poll times, with time and CPU of each record', async () => {
    const m = machine()
    const loaded = m.load(ring(4096))
    loaded.attach()
    const reader = loaded.maps.events.reader()
    m.rename()
    m.rename()
    expect(reader.take()).toBeUndefined()
    m.poll()
    expect(reader.take()).toMatchObject([
      { cpu: 0, data: { number: 7, also: 8 } },
      { cpu: 0, data: { number: 7, also: 8 } },
    ])
    m.rename()
    const seen: unknown[] = []
    for await (const { data } of reader) seen.push(data)
    expect(seen).toEqual([{ number: 7, also: 8 }])
    expect([reader.count, reader.lost]).toEqual([3, 0])
  })

  test('opened after the first records find them', () => {
    const m = machine()
    const loaded = m.load(ring(4096))
    loaded.attach()
    m.rename()
    const reader = loaded.maps.events.reader()
    m.poll()
    expect(reader.take()).toMatchObject([{ data: { number: 7, also: 8 } }])
  })

  test('that come too late lose what did not fit', () => {
    const m = machine()
    const loaded = m.load(ring(4096))
    loaded.attach()
    const reader = loaded.maps.events.reader()
    for (let i = 0; i < 300; i++) m.rename()
    m.poll()
    expect([reader.count, reader.lost]).toEqual([255, 45])
  })

  test('of a perf event array, a buffer for each CPU', () => {
    const m = machine()
    const loaded = m.load(
      program({
        section: 'raw_tp/task_rename',
        maps: { events: { type: 'perf_event_array', event: EVENT } },
        asm: `
          *(u32 *)(r10 - 8) = 7
          *(u32 *)(r10 - 4) = 8
          r2 = map[events]
          r3 = 0xffffffff ll
          r4 = r10
          r4 += -8
          r5 = 8
          call bpf_perf_event_output
          r0 = 0
          exit`,
      }),
    )
    loaded.attach()
    const reader = loaded.maps.events.reader({ pages: 1 })
    m.rename()
    m.poll()
    expect(reader.take()).toMatchObject([{ cpu: 0, data: { number: 7, also: 8 } }])
    for (let i = 0; i < 300; i++) m.rename()
    m.poll()
    expect(reader.lost).toBeGreaterThan(0)
    expect(reader.count + reader.lost).toBe(301)
  })
})

test.each([
  [
    'tracepoint/task/task_renam',
    "prog 'main': failed to determine tracepoint 'task/task_renam' perf event ID: No such file or directory; did you mean 'task/task_rename'",
  ],
  ['kprobe/vfs_raed', /kprobe 'vfs_raed\+0x0' perf event: .*ENOENT\); did you mean 'vfs_read'/],
  ['raw_tp/sched_swich', /raw tracepoint 'sched_swich': .*; did you mean 'sched_switch'/],
  ['uprobe/x', 'prog \'main\': uprobes (SEC("uprobe/x")) are not attached by this version of bpfsim'],
])('%s cannot be attached', (section, message) => {
  const loaded = machine().load(counter(section))
  expect(() => loaded.attach()).toThrow(message)
})

test.each([
  ['tp_btf/sched_swich', /failed to find kernel BTF type ID of 'sched_swich': -3; did you mean 'sched_switch'/],
  ['tracepont/a/b', "missing BPF prog type, check ELF section name 'tracepont/a/b'; did you mean 'tracepoint'?"],
])('%s cannot be loaded', (section, message) => {
  expect(() => machine().load(counter(section))).toThrow(message)
})
