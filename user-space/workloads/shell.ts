// A shell session: a script's worth of commands, each forked and exec'd, that read configuration, list and search files, build
// something and clean up. The default workload of `bpfsim run`.

import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  type Program,
  R_OK,
  type TaskApi,
  workload,
} from '../workload.ts'

const LIBC = '/lib/x86_64-linux-gnu/libc.so.6'

/** What the dynamic loader does before main(). */
function* load({ sys, compute }: TaskApi): Generator<unknown, void, number> {
  yield* sys.brk(0)
  yield* sys.access('/etc/ld.so.preload', R_OK)
  const cache = yield* sys.open('/etc/ld.so.cache', O_RDONLY)
  if (cache >= 0) {
    yield* sys.fstat(cache)
    yield* sys.close(cache)
  }
  const libc = yield* sys.open(LIBC, O_RDONLY)
  if (libc >= 0) {
    yield* sys.read(libc, 832)
    yield* sys.fstat(libc)
    yield* sys.close(libc)
  }
  yield* compute(120_000)
}

/** Read a file to its end in pieces of `size`; the bytes read, or the errno of open(). */
function* readAll({ sys, rng, compute }: TaskApi, path: string, size = 4096): Generator<unknown, number, number> {
  const fd = yield* sys.open(path, O_RDONLY)
  if (fd < 0) return fd
  let total = 0
  for (;;) {
    const { count } = yield* sys.read(fd, size)
    if (count <= 0) break
    total += count
    yield* compute(rng.between(2_000, 40_000))
  }
  yield* sys.close(fd)
  return total
}

const cat: Program = function* (task) {
  yield* load(task)
  let status = 0
  for (const path of task.argv.slice(1)) {
    const read = yield* readAll(task, path)
    if (read < 0) {
      yield* task.sys.write(2, `cat: ${path}: No such file or directory\n`)
      status = 1
    } else if (read > 0) yield* task.sys.write(1, new Uint8Array(Math.min(read, 4096)))
  }
  return status
}

const ls: Program = function* (task) {
  const { sys } = task
  yield* load(task)
  yield* sys.statfs('/sys/fs/selinux')
  const folder = yield* sys.open(task.argv[1] ?? '.', O_RDONLY | O_DIRECTORY)
  if (folder < 0) return 2
  while ((yield* sys.getdents(folder)) > 0);
  yield* sys.close(folder)
  yield* sys.write(1, 'group\nhosts\npasswd\n')
  return 0
}

const grep: Program = function* (task) {
  yield* load(task)
  let found = 1
  for (const path of task.argv.slice(2)) {
    const read = yield* readAll(task, path, 32768)
    yield* task.compute(60_000)
    if (read > 0 && task.rng.chance(1, 2)) {
      yield* task.sys.write(1, `${path}: ${task.argv[1]}\n`)
      found = 0
    }
  }
  return found
}

/** A compiler: probes include folders for headers that mostly are elsewhere, computes, and writes a temporary file. */
const cc1: Program = function* (task) {
  const { sys, rng, compute } = task
  yield* load(task)
  for (const header of ['stdio.h', 'stddef.h', 'features.h']) {
    for (const folder of ['/usr/lib/gcc/include', '/usr/local/include', '/usr/include']) {
      const fd = yield* sys.open(`${folder}/${header}`, O_RDONLY)
      if (fd < 0) continue
      yield* sys.read(fd, 4096)
      yield* sys.close(fd)
      break
    }
    yield* compute(rng.between(300_000, 900_000))
  }
  const out = yield* sys.open(task.argv[1]!, O_WRONLY | O_CREAT | O_EXCL, 0o600)
  if (out < 0) return 1
  yield* sys.write(out, '\t.file\t"hello.c"\n\t.text\n')
  yield* sys.close(out)
  return 0
}

const gcc: Program = function* (task) {
  const { sys } = task
  yield* load(task)
  const temporary = `/tmp/cc${task.rng.between(100_000, 999_999)}.s`
  const pid = yield* sys.vfork(function* (child) {
    return yield* child.sys.execve('/usr/bin/cc1', ['cc1', temporary])
  })
  const { status } = yield* sys.wait4(pid)
  yield* sys.unlink(temporary)
  return status === 0 ? 0 : 1
}

const sleep: Program = function* (task) {
  yield* load(task)
  yield* task.sys.nanosleep(Number(task.argv[1]) * 1e9)
  return 0
}

const PROGRAMS: Record<string, Program> = {
  '/usr/bin/cat': cat,
  '/usr/bin/ls': ls,
  '/usr/bin/grep': grep,
  '/usr/bin/gcc': gcc,
  '/usr/bin/cc1': cc1,
  '/usr/bin/sleep': sleep,
}

/** Look the command up along PATH, fork, exec, wait. Returns the wait status. */
function* run({ sys }: TaskApi, ...argv: string[]): Generator<unknown, number, number> {
  const child = yield* sys.fork(function* (task) {
    for (const folder of ['/usr/local/bin', '/usr/bin']) yield* task.sys.execve(`${folder}/${argv[0]}`, argv)
    yield* task.sys.write(2, `sh: ${argv[0]}: not found\n`)
    return 127
  })
  const { status } = yield* sys.wait4(child)
  return status
}

/** `a | b` */
function* pipeline({ sys }: TaskApi, first: string[], second: string[]): Generator<unknown, void, number> {
  const [read, write] = yield* sys.pipe()
  const ends = [
    { argv: first, from: write, to: 1 },
    { argv: second, from: read, to: 0 },
  ]
  for (const { argv, from, to } of ends) {
    yield* sys.fork(function* (task) {
      yield* task.sys.dup2(from, to)
      yield* task.sys.close(read)
      yield* task.sys.close(write)
      return yield* task.sys.execve(`/usr/bin/${argv[0]}`, argv)
    })
  }
  yield* sys.close(read)
  yield* sys.close(write)
  yield* sys.wait4(-1)
  yield* sys.wait4(-1)
}

export const shell = workload(
  'sh',
  function* (task) {
    const { sys, rng, compute } = task
    yield* readAll(task, '/etc/profile')
    for (let round = 0; round < 5; round++) {
      yield* run(task, 'ls', '/etc')
      yield* run(task, 'cat', '/etc/hosts', '/etc/hostname', '/etc/motd')
      yield* run(task, 'grep', 'root', '/etc/passwd', '/etc/group', '/etc/shadow-')
      yield* pipeline(task, ['cat', '/etc/services'], ['grep', 'http', '/etc/services'])
      yield* run(task, 'gcc', 'hello.c')
      yield* run(task, 'make-it-so')
      const log = yield* sys.open('/tmp/session.log', O_WRONLY | O_CREAT | O_TRUNC, 0o644)
      yield* sys.write(log, `round ${round}\n`)
      yield* sys.fsync(log)
      yield* sys.close(log)
      yield* compute(rng.between(100_000, 2_000_000))
      yield* run(task, 'sleep', '0.05')
    }
    yield* sys.unlink('/tmp/session.log')
    return 0
  },
  { about: 'a shell session: forks, execs, reads, a pipeline, a compiler run', programs: PROGRAMS },
)
