// The root file system of a machine that was just set up: what programs expect to find, and no more. Programs have no code; their
// sizes are those of a small Debian system.

import type { PreparedNode } from './prepare.ts'

const dir = (path: string, mode = 0o755): PreparedNode => ({ path, kind: 'directory', mode })
const text = (path: string, content: string, mode = 0o644): PreparedNode => ({ path, kind: 'file', mode, content })
const link = (path: string, target: string): PreparedNode => ({ path, kind: 'symlink', target })
const char = (path: string, major: number, minor: number, mode = 0o666): PreparedNode => ({
  path,
  kind: 'char',
  mode,
  rdev: [major, minor],
})

/** Bytes of the programs and libraries, by path. */
const BINARIES: Readonly<Record<string, number>> = {
  '/usr/bin/bash': 1265648,
  '/usr/bin/cat': 44016,
  '/usr/bin/cp': 151152,
  '/usr/bin/date': 121904,
  '/usr/bin/dash': 125688,
  '/usr/bin/echo': 44016,
  '/usr/bin/env': 48536,
  '/usr/bin/find': 224848,
  '/usr/bin/grep': 203152,
  '/usr/bin/head': 48080,
  '/usr/bin/ls': 151344,
  '/usr/bin/mkdir': 97552,
  '/usr/bin/mv': 142968,
  '/usr/bin/ps': 137920,
  '/usr/bin/rm': 72752,
  '/usr/bin/sed': 126424,
  '/usr/bin/sleep': 43888,
  '/usr/bin/sort': 110744,
  '/usr/bin/true': 35664,
  '/usr/bin/wc': 56368,
  '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2': 210968,
  '/usr/lib/x86_64-linux-gnu/libc.so.6': 1922136,
  '/usr/lib/x86_64-linux-gnu/libtinfo.so.6': 208328,
  '/usr/lib/x86_64-linux-gnu/libselinux.so.1': 174312,
  '/usr/lib/x86_64-linux-gnu/libm.so.6': 907784,
  '/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0': 629384,
  '/etc/ld.so.cache': 18523,
}

const PASSWD = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
user:x:1000:1000:User,,,:/home/user:/bin/bash
`
const GROUP = `root:x:0:
daemon:x:1:
tty:x:5:
nogroup:x:65534:
user:x:1000:
`

export const DEFAULT_ROOT: readonly PreparedNode[] = [
  dir('/'),
  ...[
    '/boot',
    '/dev',
    '/etc',
    '/home',
    '/media',
    '/mnt',
    '/opt',
    '/run',
    '/srv',
    '/usr',
    '/usr/bin',
    '/usr/lib',
    '/usr/sbin',
    '/var',
  ].map((path) => dir(path)),
  ...['/usr/share', '/usr/local', '/var/log', '/var/lib', '/var/cache', '/var/spool', '/etc/default'].map((path) =>
    dir(path),
  ),
  dir('/proc', 0o555),
  dir('/sys', 0o555),
  dir('/root', 0o700),
  dir('/tmp', 0o1777),
  dir('/var/tmp', 0o1777),
  { path: '/home/user', kind: 'directory', mode: 0o755, uid: 1000, gid: 1000 },
  link('/bin', 'usr/bin'),
  link('/sbin', 'usr/sbin'),
  link('/lib', 'usr/lib'),
  dir('/usr/lib64'),
  link('/lib64', 'usr/lib64'),
  ...Object.entries(BINARIES).map(([path, size]): PreparedNode => {
    return {
      path,
      kind: 'file',
      mode: path.startsWith('/etc') ? 0o644 : 0o755,
      size,
      content: [{ at: 0, text: '\x7fELF\x02\x01\x01' }],
    }
  }),
  link('/usr/lib64/ld-linux-x86-64.so.2', '../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'),
  link('/usr/bin/sh', 'dash'),
  text('/etc/passwd', PASSWD),
  text('/etc/group', GROUP),
  text('/etc/shadow', 'root:*:19000:0:99999:7:::\n', 0o640),
  text('/etc/hostname', 'bpfsim\n'),
  text('/etc/hosts', '127.0.0.1\tlocalhost\n127.0.1.1\tbpfsim\n::1\tlocalhost ip6-localhost ip6-loopback\n'),
  text('/etc/resolv.conf', 'nameserver 127.0.0.1\n'),
  text('/etc/nsswitch.conf', 'passwd:         files\ngroup:          files\nhosts:          files dns\n'),
  text('/etc/fstab', '# <file system> <mount point> <type> <options> <dump> <pass>\n'),
  text('/etc/profile', 'PATH="/usr/local/bin:/usr/bin:/bin"\nexport PATH\n'),
  text('/etc/bash.bashrc', "PS1='\\u@\\h:\\w\\$ '\n"),
  text('/etc/os-release', 'PRETTY_NAME="bpfsim"\nNAME="bpfsim"\nID=bpfsim\n'),
  text('/etc/localtime', 'TZif2'),
  text('/root/.bashrc', '# ~/.bashrc\n'),
  text('/home/user/notes.txt', 'Buy milk.\nCall home.\n'),
  dir('/dev/shm', 0o1777),
  dir('/dev/pts'),
  char('/dev/null', 1, 3),
  char('/dev/zero', 1, 5),
  char('/dev/full', 1, 7),
  char('/dev/random', 1, 8),
  char('/dev/urandom', 1, 9),
  char('/dev/tty', 5, 0),
  char('/dev/console', 5, 1, 0o600),
  link('/dev/fd', '/proc/self/fd'),
  link('/dev/stdin', '/proc/self/fd/0'),
  link('/dev/stdout', '/proc/self/fd/1'),
  link('/dev/stderr', '/proc/self/fd/2'),
]
