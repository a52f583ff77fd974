import { expect, test } from 'vitest'
import { rig, run } from './rig.ts'

const text = (data: Uint8Array): string => String.fromCharCode(...data)

test('a task reads tracefs, sysfs and the cgroup it is in', () => {
  const r = rig()
  const record = r.kernel.tracepoints.get('sched:sched_process_exit')!.record!
  const seen: string[] = []
  const web = r.kernel.cgroups.ensure('/web')
  run(r, function* ({ sys }) {
    const pid = yield* sys.getpid()
    for (const path of [
      '/sys/kernel/tracing/events/sched/sched_process_exit/id',
      '/sys/kernel/tracing/events/sched/sched_process_exit/format',
      '/sys/bus/event_source/devices/kprobe/type',
      '/proc/sys/kernel/unprivileged_bpf_disabled',
      '/sys/fs/cgroup/web/cgroup.procs',
    ]) {
      if (path.endsWith('procs')) r.kernel.cgroups.attach(r.kernel.tasks.get(pid)!, web)
      const fd = yield* sys.openat(-100, path, 0)
      const { data } = yield* sys.read(fd, 4096)
      seen.push(text(data))
      yield* sys.close(fd)
    }
    seen.push(`${pid}\n`)
  })
  const [id, format, type, disabled, procs, pid] = seen
  expect(id).toBe(`${record.id}\n`)
  expect(format).toContain(`name: sched_process_exit\nID: ${record.id}\nformat:\n`)
  expect(format).toContain('\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n')
  expect(format).toContain('\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n')
  expect([type, disabled]).toEqual(['8\n', '2\n'])
  expect(procs).toBe(pid)
})

test('programs ask whether their task is in a cgroup of a map', () => {
  const r = rig()
  const groups = r.map('cgroup_array', 2, 4)
  const counts = r.map('array', 4)
  const web = r.kernel.cgroups.ensure('/web')
  const inner = r.kernel.cgroups.ensure('/web/inner')
  const other = r.kernel.cgroups.ensure('/other')
  const fd = r.open('/sys/fs/cgroup/web')
  const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
  expect(r.host.bpf(r.task, 'map_update_elem', { map_fd: groups, key: word(0), value: word(fd) })).toBe(0)
  // counts[current_task_under_cgroup(groups, 0) ? 1 : 0]++
  const text = `
    r1 = map[groups]
    r2 = 0
    call bpf_current_task_under_cgroup
    *(u32 *)(r10 -4) = r0
    r2 = r10
    r2 += -4
    r1 = map[counts]
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
  out:
    r0 = 0
    exit`
  r.perf('tracepoint', 'syscalls:sys_enter_getuid', r.load('tracepoint', text, { groups, counts }))
  for (const group of [web, inner, other]) {
    run(r, function* ({ sys }) {
      r.kernel.cgroups.attach(r.kernel.tasks.get(yield* sys.getpid())!, group)
      yield* sys.getuid()
    })
  }
  expect([r.u64(counts, 0), r.u64(counts, 1)]).toEqual([1n, 2n])
})
