import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { AT, O, S } from '../../../kernel-sim/fs/uapi.ts'
import { Machine } from './machine.ts'

const {
  EACCES,
  EAGAIN,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ENOTTY,
  EPERM,
  EPIPE,
  ERANGE,
  ESPIPE,
} = ERRNO

const machine = new Machine()
let next = 0
/** A fresh directory, its process inside it. */
function room(ids: { uid?: number; gid?: number } = {}) {
  const path = `/tmp/r${next++}`
  const root = machine.process()
  root.sys('mkdir', path, 0o777)
  root.sys('chmod', path, 0o777)
  const p = machine.process(ids)
  p.sys('chdir', path)
  return p
}

describe('names', () => {
  test('rename replaces files, keeps directories apart, refuses loops', () => {
    const p = room()
    for (const name of ['a', 'b']) p.sys('close', p.sys('creat', name, 0o644))
    for (const name of ['d', 'd/sub', 'full', 'full/x']) p.sys('mkdir', name, 0o755)
    expect(p.sys('rename', 'a', 'b')).toBe(0)
    expect(p.open('a')).toBe(-ENOENT)
    expect(p.sys('rename', 'b', 'd')).toBe(-EISDIR)
    expect(p.sys('rename', 'd', 'b')).toBe(-ENOTDIR)
    expect(p.sys('rename', 'd', 'd/sub/deep')).toBe(-EINVAL)
    expect(p.sys('rename', 'd', 'full')).toBe(-ENOTEMPTY)
    expect(p.sys('rename', 'd/sub', 'moved')).toBe(0)
    expect(p.sys('renameat2', AT.fdcwd, 'b', AT.fdcwd, 'moved', 1)).toBe(-EEXIST)
    expect(p.sys('rename', 'missing', 'b')).toBe(-ENOENT)
    p.sys('fstat', p.open('.'), p.out)
    // Itself, its name in the parent, and one for each of d, full, moved.
    expect(p.view(24).getUint32(16, true)).toBe(5)
  })

  test('unlink, rmdir and links', () => {
    const p = room()
    const fd = p.sys('creat', 'f', 0o644)
    expect(p.sys('link', 'f', 'g')).toBe(0)
    p.sys('fstat', fd, p.out)
    expect(p.view(24).getUint32(16, true)).toBe(2)
    expect(p.sys('unlink', 'f')).toBe(0)
    expect(p.sys('unlink', 'f')).toBe(-ENOENT)
    expect(p.sys('write', fd, 'still', 5)).toBe(5)
    expect(p.sys('unlink', 'g')).toBe(0)
    expect(p.sys('pread64', fd, p.out, 9, 0)).toBe(-EBADF)
    p.sys('mkdir', 'd', 0o755)
    expect(p.sys('unlink', 'd')).toBe(-EISDIR)
    expect(p.sys('rmdir', 'd/.')).toBe(-EINVAL)
    expect(p.sys('rmdir', 'd/..')).toBe(-ENOTEMPTY)
    expect(p.sys('symlink', 'target/far', 'l')).toBe(0)
    expect(p.sys('readlink', 'l', p.out, 6)).toBe(6)
    expect(p.text(6)).toBe('target')
    expect(p.sys('readlink', 'd', p.out, 6)).toBe(-EINVAL)
    expect(p.sys('rmdir', 'l')).toBe(-ENOTDIR)
    expect(p.sys('mkdir', 'l', 0o755)).toBe(-EEXIST)
    expect(p.sys('unlinkat', AT.fdcwd, 'd', AT.removedir)).toBe(0)
    expect(p.sys('getcwd', p.out, 3)).toBe(-ERANGE)
  })

  test('permissions: sticky directories, modes, owners, access', () => {
    const root = machine.process()
    root.sys('close', root.sys('creat', '/tmp/roots', 0o644))
    const p = room({ uid: 1000, gid: 1000 })
    expect(p.sys('unlink', '/tmp/roots')).toBe(-EPERM)
    expect(p.sys('mkdir', '/etc/mine', 0o755)).toBe(-EACCES)
    expect(p.sys('chmod', '/tmp/roots', 0o777)).toBe(-EPERM)
    p.sys('close', p.sys('creat', 'mine', 0o400))
    expect(p.open('mine', O.wronly)).toBe(-EACCES)
    expect(p.sys('access', 'mine', 2)).toBe(-EACCES)
    expect(p.sys('access', 'mine', 4)).toBe(0)
    expect(p.sys('chown', 'mine', 0, -1)).toBe(-EPERM)
    expect(p.sys('chmod', 'mine', 0o4755)).toBe(0)
    p.sys('stat', 'mine', p.out)
    expect(p.view(28).getUint32(24, true)).toBe(S.ifreg | 0o4755)
    const fd = p.open('mine', O.wronly)
    p.sys('write', fd, 'x', 1)
    p.sys('stat', 'mine', p.out)
    expect(p.view(28).getUint32(24, true)).toBe(S.ifreg | 0o755)
    expect(root.sys('access', '/tmp/roots', 1)).toBe(-EACCES)
  })

  test('a directory is read in parts and says where it stands', () => {
    const p = room()
    for (let i = 0; i < 10; i++) p.sys('close', p.sys('creat', `file${i}`, 0o644))
    const fd = p.open('.', O.directory)
    const names: string[] = []
    for (let got = p.sys('getdents64', fd, p.out, 100); got > 0; got = p.sys('getdents64', fd, p.out, 100)) {
      const view = p.view(got)
      for (let at = 0; at < got; at += view.getUint16(at + 16, true)) names.push(p.text(5, p.out + at + 19))
    }
    expect(names.length).toBe(12)
    expect(new Set(names).size).toBe(12)
    expect(p.sys('lseek', fd, 0, 0)).toBe(0)
    expect(p.sys('getdents64', fd, p.out, 10)).toBe(-EINVAL)
    expect(p.sys('read', fd, p.out, 10)).toBe(-EISDIR)
  })
})

describe('descriptors', () => {
  test('dup, fcntl and close-on-exec', () => {
    const p = room()
    const fd = p.open('/etc/passwd', O.cloexec)
    expect(p.sys('fcntl', fd, 1)).toBe(1)
    expect(p.sys('dup', fd)).toBe(1)
    expect(p.sys('fcntl', 1, 1)).toBe(0)
    expect(p.sys('dup2', fd, 10)).toBe(10)
    expect(p.sys('dup3', fd, fd, 0)).toBe(-EINVAL)
    expect(p.sys('dup2', fd, 100_000)).toBe(-EBADF)
    expect(p.sys('fcntl', fd, 0, 5)).toBe(5)
    expect(p.sys('fcntl', fd, 3)).toBe(O.largefile)
    p.sys('read', fd, p.out, 7)
    expect(p.sys('lseek', 10, 0, 1)).toBe(7)
    expect(p.sys('ioctl', fd, 0x5401, p.out)).toBe(-ENOTTY)
    expect(p.sys('close_range', 1, 0xffffffff, 4)).toBe(0)
    p.task.files!.closeOnExec()
    expect([0, 1, 5, 10].map((n) => p.sys('fcntl', n, 1))).toEqual([-EBADF, -EBADF, -EBADF, -EBADF])
  })

  test('reads and writes check what they are given', () => {
    const p = room()
    const fd = p.open('f', O.rdwr | O.creat, 0o644)
    expect(p.sys('write', fd, 0x1000, 5)).toBe(-EFAULT)
    expect(p.sys('read', fd, p.out, -1)).toBe(-EINVAL)
    expect(p.sys('pread64', fd, p.out, 1, -1)).toBe(-EINVAL)
    const readOnly = p.open('f')
    expect(p.sys('write', readOnly, 'x', 1)).toBe(-EBADF)
    expect(p.sys('ftruncate', readOnly, 1)).toBe(-EINVAL)
    expect(p.sys('ftruncate', fd, 10_000)).toBe(0)
    expect(p.sys('lseek', fd, 0, 2)).toBe(10_000)
    expect(p.sys('lseek', fd, -20_000, 1)).toBe(-EINVAL)
    p.sys('pwrite64', fd, 'end', 3, 9_997)
    const out = p.open('copy', O.rdwr | O.creat, 0o644)
    p.sys('lseek', fd, 0, 0)
    expect(p.sys('copy_file_range', fd, 0, out, 0, 100_000, 0)).toBe(10_000)
    expect(p.sys('copy_file_range', fd, 0, out, 0, 100_000, 0)).toBe(0)
    expect(p.sys('pread64', out, p.out, 10, 9_995)).toBe(5)
    expect(p.text(5)).toBe('\0\0end')
    const zero = p.open('/dev/zero')
    expect(p.sys('read', zero, p.out, 5000)).toBe(5000)
    const full = p.open('/dev/full', O.wronly)
    expect(p.sys('write', full, 'x', 1)).toBe(-ERRNO.ENOSPC)
    expect(p.open('/dev/tty', O.rdwr)).toBe(-ERRNO.ENXIO)
  })
})

describe('pipes', () => {
  function pipe(flags = 0) {
    const p = machine.process()
    expect(p.sys('pipe2', p.out, flags)).toBe(0)
    return p
  }
  test('block while empty, end when the last writer goes', () => {
    const p = pipe()
    const reading = p.begin('read', 0, p.out, 100)
    if (typeof reading === 'number') throw new Error('the read did not sleep')
    expect(p.resume(reading)).toBeUndefined()
    p.sys('write', 1, 'hello', 5)
    expect(p.resume(reading)).toBe(5)
    expect(p.text(5)).toBe('hello')
    p.sys('close', 1)
    expect(p.sys('read', 0, p.out, 100)).toBe(0)
    expect(p.sys('lseek', 0, 0, 0)).toBe(-ESPIPE)
  })

  test('hold 64 KiB, then writers wait', () => {
    const p = pipe(O.nonblock)
    expect(p.sys('write', 1, p.out, 65536)).toBe(65536)
    expect(p.sys('write', 1, p.out, 1)).toBe(-EAGAIN)
    expect(p.sys('read', 0, p.out, 4096)).toBe(4096)
    expect(p.sys('write', 1, p.out, 8192)).toBe(4096)
    expect(p.sys('fcntl', 0, 1032)).toBe(65536)
    expect(p.sys('fcntl', 0, 1031, 1 << 17)).toBe(1 << 17)
    p.sys('fcntl', 1, 4, 0)
    const writing = p.begin('write', 1, p.out, 100_000)
    if (typeof writing === 'number') throw new Error('the write did not sleep')
    // What was there, then what the writer puts in each time there is room.
    const got: number[] = []
    let written: number | undefined
    for (let i = 0; i < 10 && written === undefined; i++) {
      got.push(p.sys('read', 0, p.out, 65536))
      written = p.resume(writing)
    }
    expect(written).toBe(100_000)
    expect(got.every((count) => count > 0)).toBe(true)
  })

  test('nobody to read: EPIPE and SIGPIPE', () => {
    const p = pipe()
    p.sys('close', 0)
    machine.signals.length = 0
    expect(p.sys('write', 1, 'x', 1)).toBe(-EPIPE)
    expect(machine.signals).toEqual([13])
  })
})
