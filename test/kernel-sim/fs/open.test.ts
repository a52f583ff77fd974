import { describe, expect, test } from 'vitest'
import { ERRNO } from '../../../base/errno.ts'
import { AT, O } from '../../../kernel-sim/fs/uapi.ts'
import { Machine } from './machine.ts'

const { EACCES, EBADF, EEXIST, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENOENT, ENOTDIR } = ERRNO

const machine = new Machine({
  nodes: [
    { path: '/t/file', kind: 'file', content: 'hello' },
    { path: '/t/private', kind: 'file', mode: 0o600, content: 'x' },
    { path: '/t/locked', kind: 'directory', mode: 0o700 },
    { path: '/t/locked/in', kind: 'file', content: 'x' },
    { path: '/t/link', kind: 'symlink', target: 'file' },
    { path: '/t/abs', kind: 'symlink', target: '/t/file' },
    { path: '/t/dirlink', kind: 'symlink', target: 'locked' },
    { path: '/t/loop', kind: 'symlink', target: 'loop' },
    { path: '/t/dangling', kind: 'symlink', target: 'nowhere' },
    { path: '/t/up', kind: 'symlink', target: '../t/../t/link' },
  ],
})

// Each row: what open(2) says on Linux (or a descriptor) for root and for uid 1000.
const CASES: [path: string, flags: number, root: number | 'fd', user: number | 'fd'][] = [
  ['/t/file', O.rdonly, 'fd', 'fd'],
  ['/t/file', O.rdwr, 'fd', -EACCES],
  ['/t//./file', O.rdonly, 'fd', 'fd'],
  ['/t/../t/file', O.rdonly, 'fd', 'fd'],
  ['/../../t/file', O.rdonly, 'fd', 'fd'],
  ['/t/missing', O.rdonly, -ENOENT, -ENOENT],
  ['/t/file/', O.rdonly, -ENOTDIR, -ENOTDIR],
  ['/t/file/x', O.rdonly, -ENOTDIR, -ENOTDIR],
  ['/t/file/../file', O.rdonly, -ENOTDIR, -ENOTDIR],
  ['/t/missing/x', O.rdonly, -ENOENT, -ENOENT],
  ['', O.rdonly, -ENOENT, -ENOENT],
  ['/t', O.rdonly, 'fd', 'fd'],
  ['/t', O.wronly, -EISDIR, -EISDIR],
  ['/t/', O.rdonly | O.directory, 'fd', 'fd'],
  ['/t/file', O.rdonly | O.directory, -ENOTDIR, -ENOTDIR],
  ['/t/private', O.rdonly, 'fd', -EACCES],
  ['/t/locked/in', O.rdonly, 'fd', -EACCES],
  ['/t/locked', O.rdonly, 'fd', -EACCES],
  ['/t/link', O.rdonly, 'fd', 'fd'],
  ['/t/abs', O.rdonly, 'fd', 'fd'],
  ['/t/up', O.rdonly, 'fd', 'fd'],
  ['/t/dirlink/in', O.rdonly, 'fd', -EACCES],
  ['/t/link', O.rdonly | O.nofollow, -ELOOP, -ELOOP],
  ['/t/link', O.path | O.nofollow, 'fd', 'fd'],
  ['/t/loop', O.rdonly, -ELOOP, -ELOOP],
  ['/t/loop/x', O.rdonly, -ELOOP, -ELOOP],
  ['/t/dangling', O.rdonly, -ENOENT, -ENOENT],
  ['/t/dangling', O.rdwr | O.creat | O.excl, -EEXIST, -EEXIST],
  ['/t/file', O.rdwr | O.creat | O.excl, -EEXIST, -EEXIST],
  ['/t/link', O.rdwr | O.creat | O.excl, -EEXIST, -EEXIST],
  ['/t/new/', O.rdwr | O.creat, -EISDIR, -EISDIR],
  ['/t', O.rdwr | O.creat, -EISDIR, -EISDIR],
  ['/t', O.rdonly | O.creat | O.directory, -EINVAL, -EINVAL],
  [`/t/${'n'.repeat(256)}`, O.rdonly, -ENAMETOOLONG, -ENAMETOOLONG],
  [`/${'n/'.repeat(2100)}`, O.rdonly, -ENAMETOOLONG, -ENAMETOOLONG],
]

describe.each(['root', 'user'] as const)('open(2) as %s', (who) => {
  const process = machine.process(who === 'root' ? {} : { uid: 1000, gid: 1000 })
  test.each(CASES.map((row) => ({ name: `${row[0].slice(0, 40)} 0o${row[1].toString(8)}`, row })))(
    '$name',
    ({ row }) => {
      const [path, flags, root, user] = row
      const expected = who === 'root' ? root : user
      const result = process.open(path, flags, 0o644)
      if (expected === 'fd') {
        expect(result).toBe(0)
        expect(process.sys('close', result)).toBe(0)
      } else expect(result).toBe(expected)
    },
  )
})

describe('opening', () => {
  test('O_EXCL with O_CREAT does not follow a dangling link, O_CREAT alone does', () => {
    const p = new Machine({ nodes: [{ path: '/l', kind: 'symlink', target: 'made' }] }).process()
    expect(p.open('/l', O.rdwr | O.creat | O.excl, 0o644)).toBe(-EEXIST)
    expect(p.open('/l', O.rdwr | O.creat, 0o644)).toBe(0)
    expect(p.open('/made')).toBe(1)
  })

  test('creates with the umask, in the caller name', () => {
    const p = machine.process({ uid: 1000, gid: 1000 })
    expect(p.sys('umask', 0o027)).toBe(0o022)
    const fd = p.open('/tmp/mine', O.wronly | O.creat, 0o666)
    expect(p.sys('fstat', fd, p.out)).toBe(0)
    const stat = p.view(144)
    expect([stat.getUint32(24, true).toString(8), stat.getUint32(28, true), stat.getUint32(32, true)]).toEqual([
      '100640',
      1000,
      1000,
    ])
  })

  test('O_TRUNC empties, O_APPEND writes at the end', () => {
    const p = machine.process()
    const fd = p.open('/t/grow', O.rdwr | O.creat, 0o644)
    p.sys('write', fd, 'abc', 3)
    const appender = p.open('/t/grow', O.wronly | O.append)
    p.sys('write', appender, 'def', 3)
    expect(p.sys('pread64', fd, p.out, 100, 0)).toBe(6)
    expect(p.text(6)).toBe('abcdef')
    p.open('/t/grow', O.wronly | O.trunc)
    expect(p.sys('pread64', fd, p.out, 100, 0)).toBe(0)
  })

  test('gives the lowest free descriptor, up to the limit', () => {
    const p = machine.process()
    expect([0, 1, 2, 3].map(() => p.open('/t/file'))).toEqual([0, 1, 2, 3])
    p.sys('close', 1)
    p.sys('close', 0)
    expect([p.open('/t/file'), p.open('/t/file'), p.open('/t/file')]).toEqual([0, 1, 4])
    let last = 0
    for (let fd = 0; fd >= 0; fd = p.open('/t/file')) last = fd
    expect(last).toBe(1023)
    expect(p.open('/t/file')).toBe(-EMFILE)
    expect(p.sys('close', 5000)).toBe(-EBADF)
  })

  test('relative to the working directory or to a descriptor', () => {
    const p = machine.process()
    expect(p.sys('chdir', '/t')).toBe(0)
    expect(p.open('file')).toBe(0)
    const dir = p.open('/etc', O.directory)
    expect(p.sys('openat', dir, 'passwd', 0, 0)).toBe(2)
    expect(p.sys('openat', 0, 'x', 0, 0)).toBe(-ENOTDIR)
    expect(p.sys('openat', 77, 'x', 0, 0)).toBe(-EBADF)
    expect(p.sys('openat', 77, '/t/file', 0, 0)).toBe(3)
    expect(p.sys('chdir', '..')).toBe(0)
    expect(p.sys('getcwd', p.out, 100)).toBe(2)
  })

  test('an O_PATH descriptor names a place and does no I/O', () => {
    const p = machine.process()
    const fd = p.open('/t/private', O.path)
    expect(p.sys('read', fd, p.out, 1)).toBe(-EBADF)
    expect(p.sys('newfstatat', fd, '', p.out, AT.emptyPath)).toBe(0)
  })
})
