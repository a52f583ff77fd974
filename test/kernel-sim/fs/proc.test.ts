import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { O } from '../../../kernel-sim/fs/uapi.ts'
import { Machine, type Process } from './machine.ts'

function readAll(p: Process, path: string): string {
  const fd = p.open(path)
  expect(fd, path).toBeGreaterThanOrEqual(0)
  let text = ''
  for (let got = p.sys('read', fd, p.out, 4096); got > 0; got = p.sys('read', fd, p.out, 4096)) text += p.text(got)
  p.sys('close', fd)
  return text
}
function readlink(p: Process, path: string): string {
  const length = p.sys('readlink', path, p.out, 4096)
  return length < 0 ? String(length) : p.text(length)
}
function list(p: Process, path: string): string[] {
  const fd = p.open(path, O.directory)
  const names: string[] = []
  for (let got = p.sys('getdents64', fd, p.out, 400); got > 0; got = p.sys('getdents64', fd, p.out, 400)) {
    const bytes = p.view(got)
    for (let at = 0; at < got; at += bytes.getUint16(at + 16, true)) {
      let name = ''
      for (let i = at + 19; bytes.getUint8(i) !== 0; i++) name += String.fromCharCode(bytes.getUint8(i))
      names.push(name)
    }
  }
  p.sys('close', fd)
  return names
}

describe('/proc', () => {
  const machine = new Machine({ nodes: [{ path: '/srv/f', kind: 'file', content: 'x' }] })
  const p = machine.process()
  p.task.comm = 'reader'

  test('shows the process that looks', () => {
    expect(readlink(p, '/proc/self')).toBe(String(p.task.pid))
    expect(readAll(p, '/proc/self/comm')).toBe('reader\n')
    expect(readAll(p, `/proc/${p.task.pid}/status`)).toContain(`\nPid:\t${p.task.pid}\n`)
    expect(readAll(p, '/proc/self/stat').split(' ').length).toBe(52)
    expect(readAll(p, '/proc/self/maps')).toMatch(/^[0-9a-f]{12}-[0-9a-f]{12} rw-p 00000000 00:00 0 /)
  })

  test('links of descriptors and places lead there', () => {
    p.sys('chdir', '/srv')
    const fd = p.open('f')
    expect(readlink(p, `/proc/self/fd/${fd}`)).toBe('/srv/f')
    expect(readlink(p, '/proc/self/cwd')).toBe('/srv')
    const again = p.open(`/proc/self/fd/${fd}`)
    expect(p.sys('read', again, p.out, 10)).toBe(1)
    p.sys('unlink', 'f')
    expect(readlink(p, `/proc/self/fd/${fd}`)).toBe('/srv/f (deleted)')
    p.sys('pipe2', p.out, 0)
    expect(readlink(p, `/proc/self/fd/${p.view(4).getInt32(0, true)}`)).toMatch(/^pipe:\[\d+\]$/)
    expect(readAll(p, `/proc/self/fdinfo/${again}`)).toMatch(/^pos:\t1\nflags:\t0100000\n/)
    expect(readlink(p, '/proc/self/ns/mnt')).toBe('mnt:[4026531840]')
  })

  test('lists what is there', () => {
    expect(list(p, '/proc')).toEqual(expect.arrayContaining(['.', '..', 'self', 'version', 'sys', String(p.task.pid)]))
    expect(list(p, '/proc/self/task')).toEqual(['.', '..', String(p.task.pid)])
    expect(list(p, '/srv')).toEqual(['.', '..'])
    expect(p.open('/proc/nothing')).toBe(-ERRNO.ENOENT)
    expect(p.open('/proc/999999')).toBe(-ERRNO.ENOENT)
    expect(p.open('/proc/made', O.rdwr | O.creat, 0o644)).toBeLessThan(0)
  })

  test('tells of the machine', () => {
    expect(readAll(p, '/proc/sys/kernel/osrelease')).toBe(`${machine.k.release}\n`)
    expect(readAll(p, '/proc/mounts')).toContain('proc /proc proc rw')
    expect(readAll(p, '/sys/devices/system/cpu/online')).toBe('0-1\n')
    expect(readAll(p, '/proc/sys/kernel/random/boot_id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/)
  })
})
