// execve: opening the program, following `#!`, replacing the address space, and what a process loses and keeps. Programs have no code;
// what runs afterwards is its user side's business.
// Partial: only the first thread of a process may do it (-EAGAIN for others, which on Linux would take over its number).

import { ERRNO } from '../../base/errno.ts'
import { COST_NS } from '../costs.ts'
import type { File } from '../fs/file.ts'
import type { Filename } from '../fs/namei.ts'
import { LOOKUP } from '../fs/namei.ts'
import { AT, MAY, O, S } from '../fs/uapi.ts'
import type { Kernel } from '../kernel.ts'
import { randomPlace } from '../mm/exec-image.ts'
import type { Mm } from '../mm/mm.ts'
import { NSIG, SIG, SIG_DFL, SIG_IGN } from '../signal/numbers.ts'
import { SIGACTION } from '../signal/signals.ts'
import { setSignal } from '../signal/sigset.ts'
import { after, isWait, type MaybeWait, type Wait } from '../wait.ts'
import { setTaskComm } from './comm.ts'
import { PF, STATE, type Task, TIF } from './task.ts'

const { E2BIG, EACCES, EAGAIN, EFAULT, ELOOP, ENOEXEC } = ERRNO
const LOADER = '/lib64/ld-linux-x86-64.so.2'
/** How much of a file is looked at to tell what it is (BINPRM_BUF_SIZE). */
const HEAD_BYTES = 256
/** How often `#!` may lead to another. */
const MAX_INTERPRETERS = 5
const MAX_ARG_STRINGS = 0x7fff
const MAX_ARG_STRLEN = 131072
/** All strings of one vector: half of what a quarter of the stack's limit leaves. */
const MAX_ARG_BYTES = 1 << 20

/** What execve was asked for, and struct linux_binprm in kernel memory. */
interface Program {
  readonly at: number
  readonly path: string
  /** The file that is loaded: the program, or the interpreter that its first line names. */
  file: File
  argv: string[]
  readonly envp: readonly string[]
}

export class Exec {
  readonly #k: Kernel
  readonly #rng: { between(low: number, high: number): number }
  /** do_execveat_common(): 0, or a negative errno while the old program is still there. */
  readonly execve: (dirfd: number, name: Filename, argv: number, envp: number, flags: number) => MaybeWait<number>
  readonly #bprmExecve: (
    bprm: number,
    dirfd: number,
    name: Filename,
    argv: string[],
    envp: string[],
  ) => MaybeWait<number>
  readonly #doOpenExecat: (dirfd: number, name: Filename, flags: number) => MaybeWait<number>
  readonly #loadElfBinary: (program: Program) => MaybeWait<number>
  readonly #beginNewExec: (program: Program) => MaybeWait<number>
  readonly #securityCheck: (bprm: number) => number
  /** Files that open_exec() opened, by offset. */
  #opened: File | undefined

  constructor(k: Kernel) {
    this.#k = k
    this.#rng = k.rng('exec')
    const { functions } = k
    const head = functions.known('do_execveat_common') ? 'do_execveat_common' : 'do_execveat_common.isra.0'
    this.execve = functions.declare(
      `int ${head}(int fd, struct filename *filename, struct user_arg_ptr argv, struct user_arg_ptr envp, int flags)`,
      (dirfd: number, name: Filename, argv: number, envp: number, flags: number) =>
        this.#common(dirfd, name, argv, envp, flags),
      { withoutBtf: true },
    )
    this.#bprmExecve = functions.declare(
      'int bprm_execve(struct linux_binprm *bprm)',
      (bprm: number, dirfd: number, name: Filename, argv: string[], envp: string[]) =>
        this.#bprm(bprm, dirfd, name, argv, envp),
    )
    this.#doOpenExecat = functions.declare(
      'struct file *do_open_execat(int fd, struct filename *name, int flags)',
      (dirfd: number, name: Filename, flags: number) => this.#open(dirfd, name, flags),
    )
    this.#loadElfBinary = functions.declare(
      'int load_elf_binary(struct linux_binprm *bprm)',
      (program: Program) => this.#load(program),
      { costNs: COST_NS.exec },
    )
    this.#beginNewExec = functions.declare('int begin_new_exec(struct linux_binprm *bprm)', (program: Program) =>
      this.#begin(program),
    )
    this.#securityCheck = k.vfs.security('int security_bprm_check(struct linux_binprm *bprm)')
  }

  #common(dirfd: number, name: Filename, argv: number, envp: number, _flags: number): MaybeWait<number> {
    const k = this.#k
    const { mem, layout, current } = k
    if (!current.isLeader) return -EAGAIN
    const args = this.#strings(current, argv)
    const env = this.#strings(current, envp)
    if (typeof args === 'number') return k.settle(args)
    if (typeof env === 'number') return k.settle(env)
    // An empty argument list gets an empty first argument.
    if (args.length === 0) args.push('')
    const { binprm } = layout
    const bprm = k.alloc.alloc(layout.size.binprm)
    const text = mem.readPtr(name.at + k.vfs.layout.filename.name)
    mem.writePtr(bprm + binprm.filename, text)
    mem.writePtr(bprm + binprm.interp, text)
    mem.i32[(bprm + binprm.argc) >> 2] = args.length
    mem.i32[(bprm + binprm.envc) >> 2] = env.length
    mem.writePtr(bprm + binprm.cred, current.cred)
    return after(this.#bprmExecve(bprm, dirfd, name, args, env), (result) => {
      k.alloc.free(bprm)
      return result
    })
  }

  /** A vector of user strings: its texts, or -EFAULT, -E2BIG. */
  #strings(task: Task, vector: number): string[] | number {
    const texts: string[] = []
    let bytes = 0
    if (vector === 0) return texts
    for (let at = vector; ; at += 8) {
      const word = new Uint8Array(8)
      if (task.mm?.read(at, word, 0, 8) !== 0) return -EFAULT
      const view = new DataView(word.buffer)
      const address = view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true)
      if (address === 0) return texts
      if (texts.length >= MAX_ARG_STRINGS) return -E2BIG
      const text = task.mm.readString(address, MAX_ARG_STRLEN)
      if (typeof text === 'number') return text === -EFAULT ? text : -E2BIG
      texts.push(text)
      bytes += text.length + 1 + 8
      if (bytes > MAX_ARG_BYTES) return -E2BIG
    }
  }

  #bprm(bprm: number, dirfd: number, name: Filename, argv: string[], envp: string[]): MaybeWait<number> {
    const k = this.#k
    return after(this.#doOpenExecat(dirfd, name, 0), (opened) => {
      const recorded = k.current.recorded?.result
      if (opened < 0) return k.settle(opened)
      const file = this.#opened!
      // A recorded failure leaves the old program in place.
      if (recorded !== undefined && recorded < 0) {
        file.put()
        return k.settle(0)
      }
      const program: Program = { at: bprm, path: name.name, file, argv, envp }
      return after(this.#interpret(program, 0), (ready) => {
        if (ready < 0) return k.settle(ready)
        const refused = this.#securityCheck(bprm)
        if (refused !== 0) return k.settle(refused)
        const oldPid = k.current.pid
        return after(this.#loadElfBinary(program), (result) => {
          if (result === 0 && k.trace.schedProcessExec.armed) k.trace.schedProcessExec.emit(k.current, oldPid, bprm)
          program.file.put()
          if (result !== 0) return k.settle(result)
          k.current.user?.executed(k.current, program.path)
          return k.settle(0)
        })
      })
    })
  }

  /** do_open_execat(): the file's offset; a regular one that may be executed. */
  #open(dirfd: number, name: Filename, _flags: number): MaybeWait<number> {
    const k = this.#k
    const op = k.vfs.open.buildFlags(O.rdonly | O.largefile, 0)
    if (typeof op === 'number') return op
    return after(
      k.vfs.open.doFilpOpen(dirfd, name, { ...op, accMode: MAY.exec | MAY.open, lookup: LOOKUP.follow }),
      (at) => {
        if (at < 0) return at
        const file = k.vfs.files.get(at)!
        if ((file.inode.mode & S.ifmt) !== S.ifreg) {
          file.put()
          return -EACCES
        }
        this.#opened = file
        return at
      },
    )
  }

  /** search_binary_handler(): an ELF file is loaded, `#!` leads to another program with the script as its argument. */
  #interpret(program: Program, depth: number): MaybeWait<number> {
    const line = /^#![ \t]*([^ \t\n]+)[ \t]*([^\n]*)/.exec(this.#head(program.file))
    const head = this.#head(program.file)
    if (!line) {
      if (head === '' || head.startsWith('\x7fELF') || head.charCodeAt(0) === 0) return 0
      program.file.put()
      return -ENOEXEC
    }
    if (depth >= MAX_INTERPRETERS) {
      program.file.put()
      return -ELOOP
    }
    const { vfs, mem, layout } = this.#k
    const [, path, option] = line
    const script = depth === 0 ? program.path : program.argv[0]!
    program.argv = [path!, ...(option!.trim() === '' ? [] : [option!.trim()]), script, ...program.argv.slice(1)]
    const name = vfs.namei.kernelName(path!)
    mem.writePtr(program.at + layout.binprm.interp, mem.readPtr(name.at + vfs.layout.filename.name))
    program.file.put()
    return after(this.#doOpenExecat(AT.fdcwd, name, 0), (opened) => {
      if (opened < 0) {
        vfs.namei.putname(name)
        return opened
      }
      program.file = this.#opened!
      return after(this.#interpret(program, depth + 1), (result) => {
        vfs.namei.putname(name)
        return result
      })
    })
  }

  #head(file: File): string {
    const frame = file.inode.size > 0 ? file.mappable.frame(0, false) : -1
    if (frame < 0) return ''
    let text = ''
    const { u8 } = this.#k.mem
    for (let i = 0; i < Math.min(HEAD_BYTES, file.inode.size); i++) text += String.fromCharCode(u8[frame + i]!)
    return text
  }

  #load(program: Program): MaybeWait<number> {
    return after(this.#openLoader(), (loader) =>
      after(this.#beginNewExec(program), (begun) => {
        const interpreter = loader > 0 ? this.#k.vfs.files.get(loader) : undefined
        const result = begun === 0 ? this.#map(program, interpreter) : begun
        interpreter?.put()
        return result
      }),
    )
  }

  /** The dynamic loader, if the file system has one. */
  #openLoader(): MaybeWait<number> {
    const { namei } = this.#k.vfs
    const name = namei.kernelName(LOADER)
    return after(this.#doOpenExecat(AT.fdcwd, name, 0), (at) => {
      namei.putname(name)
      return at
    })
  }

  /** Up to the point of no return and over it: other threads end, the address space is new and empty. */
  #begin(program: Program): MaybeWait<number> {
    const k = this.#k
    const threads = this.#endOtherThreads(k.current)
    return isWait(threads) ? this.#beginLater(threads, program) : this.#replace(program)
  }

  *#beginLater(threads: Wait<undefined>, program: Program): Wait<number> {
    yield* threads
    return this.#replace(program)
  }

  /** de_thread() */
  #endOtherThreads(task: Task): Wait<undefined> | undefined {
    const { mem, layout, sched } = this.#k
    const others = task.group.threads.filter((thread) => thread !== task)
    if (others.length === 0) return undefined
    for (const thread of others) {
      setSignal(mem, thread.at + layout.task.pendingSignals, SIG.KILL, true)
      thread.setThreadFlag(TIF.sigpending, true)
      thread.group.execBy = task
      sched.tryToWakeUp(thread, STATE.interruptible | STATE.wakeKill, 0)
    }
    return this.#waitForThreads(task)
  }

  *#waitForThreads(task: Task): Wait<undefined> {
    const { sleeps } = this.#k
    const gone = sleeps.wait(task.group.threadsGone, () => task.group.threads.length === 1, { state: STATE.killable })
    if (isWait(gone)) yield* gone
    task.group.execBy = undefined
    return undefined
  }

  #replace(program: Program): number {
    const k = this.#k
    const { mem, layout, current: task } = k
    const o = layout.task
    if (k.trace.schedPrepareExec.armed) k.trace.schedPrepareExec.emit(task, program.at)
    k.processes.exit.releaseMm(task)
    task.mm = k.memory.newMm()
    task.flags &= ~(PF.forkNoExec | PF.kthread | PF.randomize)
    if (task.files?.isShared) k.vfs.unshareFiles()
    task.files?.closeOnExec()
    setTaskComm(k, task, program.path.slice(program.path.lastIndexOf('/') + 1))
    for (let signal = 1; signal <= NSIG; signal++) {
      const action = k.signals.action(task, signal)
      const keep = mem.readInt64(action + SIGACTION.handler) === SIG_IGN ? SIG_IGN : SIG_DFL
      mem.u8.fill(0, action, action + SIGACTION.size)
      mem.writeInt64(action + SIGACTION.handler, keep)
    }
    task.signalFrames.length = 0
    for (const member of [o.sasSp, o.sasSize, o.robustList, o.rseq, o.fsbase, o.gsbase]) {
      if (member >= 0) mem.writeInt64(task.at + member, 0)
    }
    mem.i32[(task.at + o.exitSignal) >> 2] = SIG.CHLD
    mem.writeInt64(task.at + o.selfExecId, mem.readInt64(task.at + o.selfExecId) + 1)
    this.#applySetid(task, program.file)
    return 0
  }

  /** Set-user-id and set-group-id programs. */
  #applySetid(task: Task, { inode }: File): void {
    const { credentials } = this.#k
    const ids = {
      ...(inode.mode & S.isuid ? { euid: inode.uid, suid: inode.uid, fsuid: inode.uid } : {}),
      ...((inode.mode & (S.isgid | S.ixgrp)) === (S.isgid | S.ixgrp)
        ? { egid: inode.gid, sgid: inode.gid, fsgid: inode.gid }
        : {}),
    }
    if (Object.keys(ids).length > 0) credentials.change(task, ids)
  }

  #map(program: Program, interpreter: File | undefined): number {
    const k = this.#k
    const { mem, layout, current: task, credentials } = k
    const drawn = randomPlace((low, high) => this.#rng.between(low, high))
    const id = (which: 'uid' | 'euid' | 'gid' | 'egid'): number => credentials.id(task.cred, which)
    const mm: Mm = task.mm!
    const result = k.memory.load(mm, {
      filename: program.path,
      argv: program.argv,
      envp: program.envp,
      file: program.file,
      fileBytes: program.file.inode.size,
      interpreter: interpreter && { file: interpreter, bytes: interpreter.inode.size },
      place: task.user?.place?.(drawn) ?? drawn,
      ids: { uid: id('uid'), euid: id('euid'), gid: id('gid'), egid: id('egid') },
      random: () => k.random.u32(),
    })
    if (result !== 0) return result
    mm.setExe(program.file)
    mem.u8.fill(0, task.regs, task.regs + layout.ptRegs.ax)
    mem.writeInt64(task.regs + layout.ptRegs.sp, mm.place('start_stack'))
    mem.writeInt64(task.regs + layout.ptRegs.ip, mm.place('start_code'))
    return 0
  }
}
