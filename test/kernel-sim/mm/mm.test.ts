import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { O } from '../../../kernel-sim/fs/uapi.ts'
import { MAP, PROT } from '../../../kernel-sim/mm/map.ts'
import { Machine, type Process } from '../fs/machine.ts'

const { EACCES, EBADF, EEXIST, EFAULT, EINVAL, ENOMEM } = ERRNO
const RW = PROT.read | PROT.write
const ANON = MAP.private | MAP.anonymous

const machine = new Machine({ nodes: [{ path: '/srv/f', kind: 'file', content: 'A'.repeat(5000) }] })
const byte = (p: Process, at: number): number => (p.task.mm!.read(at, buffer, 0, 1) === 0 ? buffer[0]! : -1)
const store = (p: Process, at: number, value: number): number => p.task.mm!.write(at, Uint8Array.of(value), 0, 1)
const buffer = new Uint8Array(1)

describe('mmap and its kin', () => {
  test('anonymous memory: placed downwards, merged, counted, split, given back', () => {
    const p = machine.process()
    const mm = p.task.mm!
    const areas = mm.areas.all.length
    const total = mm.counter('total_vm')
    const high = p.sys('mmap', 0, 8192, RW, ANON, -1, 0)
    const low = p.sys('mmap', 0, 4096, RW, ANON, -1, 0)
    expect(low).toBe(high - 4096)
    expect(mm.areas.all.length).toBe(areas)
    expect(mm.counter('total_vm')).toBe(total + 3)
    expect(p.sys('mprotect', high, 4096, PROT.read)).toBe(0)
    expect(store(p, high, 1)).toBe(1)
    expect(store(p, high + 4096, 1)).toBe(0)
    expect(p.sys('munmap', high, 4096)).toBe(0)
    expect(byte(p, high)).toBe(-1)
    expect(p.sys('mprotect', low, 8192, PROT.read)).toBe(-ENOMEM)
    const { mem } = machine.k
    expect(mem.dv.getInt32(mm.at + mm.context.layout.mm.map_count, true)).toBe(mm.areas.all.length)
  })

  test('refuses what Linux refuses', () => {
    const p = machine.process()
    const fd = p.open('/srv/f')
    expect(p.sys('mmap', 0, 0, RW, ANON, -1, 0)).toBe(-EINVAL)
    expect(p.sys('mmap', 0, 4096, RW, MAP.anonymous, -1, 0)).toBe(-EINVAL)
    expect(p.sys('mmap', 0, 4096, RW, MAP.private, 99, 0)).toBe(-EBADF)
    expect(p.sys('mmap', 0, 4096, RW, MAP.shared, fd, 0)).toBe(-EACCES)
    expect(p.sys('mmap', 0, 4096, RW, MAP.private, fd, 100)).toBe(-EINVAL)
    expect(p.sys('mmap', 4096 + 1, 4096, RW, ANON | MAP.fixed, -1, 0)).toBe(-EINVAL)
    const at = p.sys('mmap', 0, 4096, RW, ANON, -1, 0)
    expect(p.sys('mmap', at, 4096, RW, ANON | MAP.fixedNoReplace, -1, 0)).toBe(-EEXIST)
    expect(p.sys('munmap', at + 1, 4096)).toBe(-EINVAL)
    const shared = p.sys('mmap', 0, 4096, PROT.read, MAP.shared, fd, 0)
    expect(p.sys('mprotect', shared, 4096, RW)).toBe(-EACCES)
    expect(p.sys('read', fd, 0x7fff_ffff_0000_0000, 1)).toBe(-EFAULT)
  })

  test('file pages: private ones are copied on write, shared ones are the file', () => {
    const p = machine.process()
    const fd = p.open('/srv/f', O.rdwr)
    const secret = p.sys('mmap', 0, 8192, RW, MAP.private, fd, 0)
    const shared = p.sys('mmap', 0, 8192, RW, MAP.shared, fd, 0)
    expect([byte(p, secret), byte(p, secret + 4999), byte(p, secret + 5000)]).toEqual([65, 65, 0])
    store(p, secret, 66)
    store(p, shared + 1, 67)
    expect(p.sys('pread64', fd, p.out, 3, 0)).toBe(3)
    expect(p.text(3)).toBe('ACA')
    expect([byte(p, secret), byte(p, secret + 1)]).toEqual([66, 65])
    p.sys('ftruncate', fd, 4096)
    const beyond = p.sys('mmap', 0, 8192, PROT.read, MAP.shared, fd, 0)
    expect(byte(p, beyond + 4096)).toBe(-1)
  })

  test('the heap moves with brk, not into what is mapped', () => {
    const p = machine.process()
    const mm = p.task.mm!
    mm.setPlace('start_brk', 0x5555_0000_0000)
    mm.setPlace('brk', 0x5555_0000_0000)
    expect(p.sys('brk', 0)).toBe(0x5555_0000_0000)
    expect(p.sys('brk', 0x5555_0000_2000)).toBe(0x5555_0000_2000)
    expect(store(p, 0x5555_0000_1fff, 1)).toBe(0)
    p.sys('mmap', 0x5555_0000_4000, 4096, RW, ANON | MAP.fixed, -1, 0)
    expect(p.sys('brk', 0x5555_0000_8000)).toBe(0x5555_0000_2000)
    expect(p.sys('brk', 0x5555_0000_1000)).toBe(0x5555_0000_1000)
    expect(byte(p, 0x5555_0000_1fff)).toBe(-1)
  })
})

describe('fork', () => {
  test('shares pages until one side writes', () => {
    const p = machine.process()
    const mm = p.task.mm!
    const at = p.sys('mmap', 0, 8192, RW, ANON, -1, 0)
    const shared = p.sys('mmap', 0, 4096, RW, MAP.shared | MAP.anonymous, -1, 0)
    store(p, at, 1)
    store(p, shared, 1)
    const used = machine.k.alloc.usedBytes
    const child = mm.fork()
    const one = new Uint8Array(1)
    const read = (of: typeof mm, address: number): number => {
      of.read(address, one, 0, 1)
      return one[0]!
    }
    expect(child.rss('anon')).toBe(mm.rss('anon'))
    child.write(at, Uint8Array.of(2), 0, 1)
    expect([read(mm, at), read(child, at)]).toEqual([1, 2])
    mm.write(at, Uint8Array.of(3), 0, 1)
    expect([read(mm, at), read(child, at)]).toEqual([3, 2])
    child.write(shared, Uint8Array.of(9), 0, 1)
    expect(read(mm, shared)).toBe(9)
    child.put()
    expect(machine.k.alloc.usedBytes).toBe(used)
    expect(read(mm, at)).toBe(3)
  })
})
