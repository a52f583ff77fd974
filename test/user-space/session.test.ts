import { describe, expect, test } from 'vitest'
import { u32, u64 } from '../../base/struct.ts'
import { program } from '../../user-space/object/assembled.ts'
import { readObject } from '../../user-space/read-object.ts'
import { withRunFlags } from '../../user-space/run-flags.ts'
import { runObject } from '../../user-space/runner.ts'
import { type BootOptions, boot } from '../../user-space/session.ts'
import { O_RDONLY, type Workload, workload } from '../../user-space/workload.ts'

/** Opens a file that is there and one that is not, `times` times, with pauses. */
const opening = (times: number): Workload =>
  workload('opening', function* ({ sys, rng }) {
    for (let i = 0; i < times; i++) {
      const fd = yield* sys.open('/etc/hosts', O_RDONLY)
      yield* sys.nanosleep(rng.between(1_000, 50_000))
      yield* sys.close(fd)
      yield* sys.open('/no/such/file', O_RDONLY)
    }
  })

const bootWith = (options: BootOptions) => boot({ memoryBytes: 256 << 20, ...options })

const OPENSNOOP = new URL('../../examples/opensnoop.bpf.o', import.meta.url)

const counter = (section: string) =>
  program({
    section,
    maps: { counts: { type: 'array', key: u32, value: u64, maxEntries: 1 } },
    asm: `
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
      exit`,
  })

describe('a clang object', () => {
  test('reports every open, as it happened, to an iterator', async () => {
    using kernel = bootWith({ workload: opening(3) })
    using opens = kernel.load(await readObject(OPENSNOOP))
    opens.attach()
    using events = opens.maps['events']!.reader()
    const seen: unknown[] = []
    let lastNs = 0
    for await (const { timeNs, data } of events) {
      expect(timeNs).toBeGreaterThan(lastNs)
      lastNs = timeNs
      seen.push(data)
    }
    const from = (fname: string, ret: number) => expect.objectContaining({ comm: 'opening', fname, ret })
    expect(seen).toEqual([1, 2, 3].flatMap(() => [from('/etc/hosts', 3), from('/no/such/file', -2)]))
    expect([kernel.over, events.lost]).toEqual([true, 0])
  })

  test('obeys variables set before load', async () => {
    using kernel = bootWith({ workload: opening(3) })
    const spec = await readObject(OPENSNOOP)
    spec.variables['targ_failed'] = true
    using opens = kernel.load(spec)
    opens.attach()
    const events = opens.maps['events']!.reader()
    await kernel.run()
    expect(events.take()).toHaveLength(3)
  })
})

test('a seed is a run', async () => {
  const run = async (seed: number) => {
    using kernel = bootWith({ workload: opening(5), seed })
    using opens = kernel.load(await readObject(OPENSNOOP))
    opens.attach()
    const events = opens.maps['events']!.reader()
    kernel.runSync()
    return events.take()!.map(({ timeNs }) => timeNs)
  }
  expect(await run(7)).toEqual(await run(7))
  expect(await run(7)).not.toEqual(await run(8))
})

test('two kernels run interleaved', async () => {
  using one = bootWith({ workload: opening(4) })
  using two = bootWith({ workload: opening(2) })
  using a = one.load(counter('tracepoint/syscalls/sys_enter_openat'))
  using b = two.load(counter('tracepoint/syscalls/sys_enter_openat'))
  a.attach()
  b.attach()
  await Promise.all([one.run(), two.run()])
  expect([a.maps.counts.value, b.maps.counts.value]).toEqual([8n, 4n])
})

test('time goes only as far as it is asked to', async () => {
  using kernel = bootWith({ workload: opening(100), forNs: 3_000_000 })
  using opens = kernel.load(counter('tracepoint/syscalls/sys_enter_openat'))
  opens.attach()
  await kernel.run({ forNs: 1_000_000 })
  expect([kernel.nowNs - kernel.startNs, kernel.over]).toEqual([1_000_000, false])
  await kernel.run()
  expect([kernel.nowNs - kernel.startNs, kernel.over]).toEqual([3_000_000, true])
})

test('stop() ends a run, and what was collected is delivered', async () => {
  using kernel = bootWith({ workload: opening(1000) })
  using opens = kernel.load(await readObject(OPENSNOOP))
  opens.attach()
  const events = opens.maps['events']!.reader()
  let count = 0
  for await (const _ of events) if (++count === 10) kernel.stop()
  expect(count).toBeGreaterThanOrEqual(10)
  expect(kernel.over).toBe(true)
})

describe('bad input', () => {
  test.each<[string, BootOptions, string]>([
    ['a workload', { workload: 'shel' }, "no workload 'shel'; did you mean 'shell'?"],
    ['CPUs', { cpus: 65 }, '65 CPUs: there can be 1 to 64'],
    ['a profile', { kernel: '5.10' }, 'kernel 5.10: no such profile; there are 6.12, 6.1'],
    ['BTF', { btf: new Uint8Array(10) }, 'BTF'],
  ])('%s that is not there', (_, options, message) => {
    expect(() => bootWith(options)).toThrow(message)
  })

  test('a map and a program that are not there', () => {
    using kernel = bootWith({})
    using opens = kernel.load(counter('tracepoint/syscalls/sys_enter_openat'))
    expect(() => (opens.maps as never)['count']).toThrow("main: no map 'count'; did you mean 'counts'?")
    expect(() => opens.programs['mian']).toThrow("main: no program 'mian'; did you mean 'main'?")
  })
})

test('flags of the command are laid over what a script says', async () => {
  const flags = {
    options: { workload: opening(2), seed: 9 },
    set: new Map([['targ_failed', 'true']]),
  }
  await withRunFlags(flags, async () => {
    using kernel = boot({ workload: opening(5), seed: 1 })
    using opens = kernel.load(await readObject(OPENSNOOP))
    opens.attach()
    const events = opens.maps['events']!.reader()
    await kernel.run()
    expect([kernel.seed, events.take()?.length]).toEqual([9, 2])
  })
})

describe('running an object', () => {
  test('gives out events, maps and a summary', async () => {
    using kernel = bootWith({ workload: opening(2) })
    const run = runObject(kernel, await readObject(OPENSNOOP))
    const records = []
    for await (const record of run.records) records.push(record)
    expect(records.map(({ type }) => type)).toEqual(['event', 'event', 'event', 'event', 'map', 'summary'])
    expect(records[0]).toMatchObject({ map: 'events', data: { comm: 'opening', fname: '/etc/hosts' } })
    expect(records[4]).toEqual({ type: 'map', map: 'start', entries: [] })
    expect(records[5]).toMatchObject({
      events: 4,
      programs: expect.arrayContaining([{ name: 'sys_enter_openat', runs: 4, missed: 0 }]),
      lost: { events: 0 },
      seed: 1,
      cpus: 2,
    })
  })

  test('names what --set and --event-type do not know', async () => {
    using kernel = bootWith({ workload: opening(1) })
    const spec = await readObject(OPENSNOOP)
    expect(() => runObject(kernel, spec, { set: new Map([['targ_faild', '1']]) })).toThrow(
      "opensnoop: no global variable 'targ_faild'; did you mean 'targ_failed'",
    )
    expect(() => runObject(kernel, spec, { eventType: 'struct evnt' })).toThrow(
      "event type 'struct evnt': the object's BTF has no such struct; did you mean 'event'?",
    )
  })
})
