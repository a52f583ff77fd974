// The virtual file system of one kernel: what all its parts share, the tree of mounts, and the parts themselves, each declared in its
// own file. System calls reach it through syscalls/files.ts.

import type { Kernel } from '../kernel.ts'
import { Frames } from '../mm/frames.ts'
import type { Mm } from '../mm/mm.ts'
import type { WaitQueue } from '../sched/wait-queue.ts'
import type { Task } from '../task/task.ts'
import { isWait, type MaybeWait, type Wait } from '../wait.ts'
import { declareAttr } from './attr.ts'
import { declareClose } from './close.ts'
import type { FsContext } from './context.ts'
import { Dentry } from './dentry.ts'
import { declareDevices, Terminal } from './devices.ts'
import { declareEventFd } from './eventfd.ts'
import { declareEventPoll } from './eventpoll.ts'
import { FilesStruct } from './fd-table.ts'
import type { File } from './file.ts'
import type { FileOps } from './file-ops.ts'
import { FsStruct } from './fs-struct.ts'
import { declareGenerated, type GenNode, type GenTree } from './generated.ts'
import type { Inode, InodeOps } from './inode.ts'
import { type FsLayout, fsLayout } from './layout.ts'
import { Mount, type Path } from './mount.ts'
import { declareNamei } from './namei.ts'
import { declareNames } from './names.ts'
import { declareOpen } from './open.ts'
import { declarePageIo } from './page-io.ts'
import { capable, declarePermission } from './permission.ts'
import { declarePipe } from './pipe.ts'
import { declarePoll } from './poll.ts'
import { buildProc, buildSys } from './proc.ts'
import { declareRamfs, RAMFS } from './ramfs.ts'
import { declareReadWrite } from './read-write.ts'
import { declareStat } from './stat.ts'
import { type FsType, type OpsStruct, type OpsTable, SuperBlock } from './super-block.ts'
import { CAP, FMODE, makeDev, O, S } from './uapi.ts'

const RLIMIT_FSIZE = 1
const RLIMIT_NOFILE = 7
const NO_OPS: FileOps = { symbol: 'no_open_fops', functions: {} }
const NO_INODE_OPS: InodeOps = { symbol: 'empty_iops', functions: {} }

/** What the core of the kernel does for the file system. */
export interface VfsHost {
  /** Sleep until `condition` holds (checked whenever one of the queues is woken): 0, -ERESTARTSYS at a signal, -ETIME. */
  wait(
    queues: readonly WaitQueue[],
    condition: () => boolean,
    options: { readonly exclusive?: boolean; readonly timeoutNs?: number },
  ): MaybeWait<number>
  /** Send a signal to the current thread. */
  signal(signal: number): void
  /** Do it when the current task returns to user mode (task_work_add); at once where there is no way back to user mode. */
  later(work: () => void): void
}

export class Vfs {
  readonly k: Kernel
  readonly host: VfsHost
  readonly layout: FsLayout
  readonly context: FsContext
  /** Whether functions take a user namespace where later kernels have a mount's idmap (before 6.3). */
  readonly isLegacy: boolean
  /** That parameter's declaration, and the offset that is passed: no mount here maps ids. */
  readonly idmapParam: string
  readonly idmap: number
  /** Open files by the offset of their struct file. */
  readonly files = new Map<number, File>()
  /** Bytes written to a terminal. */
  console: ((bytes: Uint8Array) => void) | undefined
  readonly terminal: Terminal
  /** Files of /proc and /sys; other parts add theirs. */
  readonly proc: GenTree
  readonly sys: GenTree
  readonly root: Path
  readonly mounts: Mount[] = []
  readonly pipeMount: Mount
  readonly anonMount: Mount
  readonly securityInodeCreate: (dir: Inode, dentry: Dentry, mode: number) => number
  readonly securityFilePermission: (file: File, mask: number) => number

  readonly permission: ReturnType<typeof declarePermission>
  readonly namei: ReturnType<typeof declareNamei>
  readonly open: ReturnType<typeof declareOpen>
  readonly page: ReturnType<typeof declarePageIo>
  readonly io: ReturnType<typeof declareReadWrite>
  readonly attr: ReturnType<typeof declareAttr>
  readonly stat: ReturnType<typeof declareStat>
  readonly names: ReturnType<typeof declareNames>
  readonly closing: ReturnType<typeof declareClose>
  readonly ramfs: ReturnType<typeof declareRamfs>
  readonly pipe: ReturnType<typeof declarePipe>
  readonly devices: ReturnType<typeof declareDevices>
  readonly generated: ReturnType<typeof declareGenerated>
  readonly poll: ReturnType<typeof declarePoll>
  readonly epoll: ReturnType<typeof declareEventPoll>
  readonly eventfd: ReturnType<typeof declareEventFd>

  readonly #opsTables = new Map<string, number>()
  readonly #types = new Map<string, number>()
  readonly #hooks = new Map<string, (...args: never[]) => number>()
  #nextMountId = 20
  #nextMinor = 1

  constructor(k: Kernel, host: VfsHost, frames: Frames = new Frames(k.mem, k.alloc)) {
    this.k = k
    this.host = host
    this.layout = fsLayout(k.layouts)
    this.isLegacy = !k.functions.known('nd_jump_link') || k.layouts.btf.find('mnt_idmap', 'struct', 'fwd') === 0
    this.idmapParam = this.isLegacy ? 'struct user_namespace *mnt_userns' : 'struct mnt_idmap *idmap'
    this.context = {
      mem: k.mem,
      alloc: k.alloc,
      frames,
      layout: this.layout,
      now: () => {
        const ns = k.bootTimeNs + k.nowNs
        const sec = Math.floor(ns / 1e9)
        return { sec, nsec: Math.floor(ns - sec * 1e9) }
      },
      closeFiles: (files) => this.closing.closeAll(files),
      closeOnExec: (files) => this.closing.closeOnExec(files),
    }
    this.terminal = new Terminal(k.alloc.alloc(Math.max(8, k.layouts.sizeOf('tty_struct'))))
    this.idmap = k.alloc.alloc(Math.max(32, k.layouts.sizeOf('mnt_idmap')))
    this.securityFilePermission = this.security('int security_file_permission(struct file *file, int mask)')
    this.securityInodeCreate = this.security(
      'int security_inode_create(struct inode *dir, struct dentry *dentry, umode_t mode)',
    )
    this.permission = declarePermission(this)
    this.namei = declareNamei(this)
    this.open = declareOpen(this)
    this.page = declarePageIo(this)
    this.io = declareReadWrite(this)
    this.attr = declareAttr(this)
    this.stat = declareStat(this)
    this.names = declareNames(this)
    this.closing = declareClose(this)
    this.ramfs = declareRamfs(this)
    this.pipe = declarePipe(this)
    this.devices = declareDevices(this, k.rng('random'))
    this.generated = declareGenerated(this)
    this.proc = buildProc(k)
    this.sys = buildSys(k)
    this.poll = declarePoll(this)
    this.epoll = declareEventPoll(this)
    this.eventfd = declareEventFd(this)
    const sb = this.newSuper(RAMFS, this.newDev(), {
      mode: S.ifdir | 0o755,
      iop: this.ramfs.dirInodeOps,
      fop: this.ramfs.dirOps,
    })
    sb.root.inode!.nlink = 2
    const mount = this.#addMount(sb, 'rootfs', undefined)
    this.root = { mount, dentry: sb.root }
    this.pipeMount = this.newInternalMount({
      name: 'pipefs',
      magic: 0x50495045,
      nameOf: (inode) => `pipe:[${inode.ino}]`,
    })
    this.anonMount = this.newInternalMount({
      name: 'anon_inodefs',
      magic: 0x09041934,
      nameOf: (_inode, dentry) => `anon_inode:${dentry.name}`,
    })
  }

  // Declaring functions

  /** Declare a kernel function. One that this kernel version lacks, or has in another form (`when`), is called without a frame. */
  declare<F extends (...args: never[]) => unknown>(prototype: string, body: F, when = true): F {
    const name = /(\w+)\s*\(/.exec(prototype)![1]!
    if (!when || !this.k.functions.known(name)) return body
    return this.k.functions.declare(prototype, body as never) as unknown as F
  }

  /**
   * Declare the innermost function of a call, whose result is the call's: in a replay it ends when and as the recording says
   * (Kernel.settle).
   */
  leaf<A extends unknown[]>(
    prototype: string,
    body: (...args: A) => MaybeWait<number>,
  ): (...args: A) => MaybeWait<number> {
    return this.declare(
      prototype,
      SETTLED[body.length]!(this.k, body as unknown as Leaf) as (...args: A) => MaybeWait<number>,
    )
  }

  /** The descriptor that a call returns; in a replay it becomes the recorded one, whatever the model had. */
  settleFd(result: number): MaybeWait<number> {
    return this.k.settle(result, (recorded) => this.adoptFd(result, recorded))
  }
  /** Make descriptor `recorded` stand for what the model has as `fd`: moved, made up (fd < 0), or closed (recorded < 0). */
  adoptFd(fd: number, recorded: number): void {
    if (recorded === fd) return
    const file = fd >= 0 ? this.fds.remove(fd) : recorded >= 0 ? this.placeholder(O.rdwr) : undefined
    if (recorded < 0) file?.put()
    else if (file) this.adoptFile(recorded, file)
  }
  /** The same as a place. */
  placeholderPath(): Path {
    const dentry = this.newDentry(undefined, 'recorded', this.anonMount.sb)
    dentry.instantiate(this.ramfs.newInode(this.anonMount.sb, undefined, S.ifreg | 0o644, 0))
    return { mount: this.anonMount, dentry }
  }
  /** Put a file under the descriptor that a recording says. */
  adoptFile(fd: number, file: File): void {
    this.fds.replace(fd, file, false)?.put()
  }
  /** An empty file that stands for one that the model could not open. */
  placeholder(flags: number): File {
    const inode = this.ramfs.newInode(this.anonMount.sb, undefined, S.ifreg | 0o644, 0)
    return this.open.pseudoFile(this.anonMount, inode, 'recorded', flags)
  }

  /** A security hook's function: nothing here refuses, listeners (fmod_ret) may. The same function for every caller. */
  security<F extends (...args: never[]) => number = (...args: (number | { at: number })[]) => number>(
    prototype: string,
  ): F {
    const name = /(\w+)\s*\(/.exec(prototype)![1]!
    let hook = this.#hooks.get(name)
    if (!hook) {
      const count = prototype.split(',').length
      hook = this.declare(prototype, ALLOW[count]! as (...args: never[]) => number)
      this.#hooks.set(name, hook)
    }
    return hook as F
  }

  // The current task's resources

  get fds(): FilesStruct {
    return this.k.current.files!
  }
  get mm(): Mm {
    return this.k.current.mm!
  }
  /** The open file behind a descriptor, unless it was opened with O_PATH. */
  usable(fd: number): File | undefined {
    const file = this.k.current.files!.get(fd)
    return file && file.mode & FMODE.path ? undefined : file
  }
  fdLimit(): number {
    return this.#limit(RLIMIT_NOFILE, 1024)
  }
  fileSizeLimit(): number {
    return this.#limit(RLIMIT_FSIZE, Number.MAX_SAFE_INTEGER)
  }
  mayKeepPrivileges(): boolean {
    return capable(this.k, CAP.fsetid)
  }
  mayUseResources(): boolean {
    return capable(this.k, CAP.sysResource)
  }
  /** Sleep until `condition` holds; 0 at once if it does, -ERESTARTSYS, or -ETIME after `timeoutNs`. */
  wait(
    queues: readonly WaitQueue[],
    condition: () => boolean,
    options: { readonly exclusive?: boolean; readonly timeoutNs?: number },
  ): MaybeWait<number> {
    return condition() ? 0 : this.host.wait(queues, condition, options)
  }
  /** Let the terminal be the controlling one of a task's session. */
  setControllingTerminal(task: Task): void {
    this.k.mem.writePtr(task.signal + this.k.layout.signal.tty, this.terminal.at)
  }
  unshareFiles(): void {
    const task = this.k.current
    if (!task.files!.isShared) return
    const copy = task.files!.copy()
    task.files!.put()
    task.files = copy
  }
  /** access(2) checks with the real ids: file-system ids and effective capabilities are theirs meanwhile. */
  withRealIds(check: () => number): number {
    const { mem, layout, current } = this.k
    const { dv } = mem
    const { cred } = layout
    const at = current.cred
    const saved = mem.bytes(at, layout.size.cred)
    const uid = dv.getUint32(at + cred.uid, true)
    dv.setUint32(at + cred.fsuid, uid, true)
    dv.setUint32(at + cred.fsgid, dv.getUint32(at + cred.gid, true), true)
    if (uid === 0) mem.u8.copyWithin(at + cred.capEffective, at + cred.capPermitted, at + cred.capPermitted + 8)
    else mem.u8.fill(0, at + cred.capEffective, at + cred.capEffective + 8)
    const result = check()
    mem.u8.set(saved, at)
    return result
  }

  // Small values at user addresses

  readUserInt32(address: number): number | undefined {
    const bytes = new Uint8Array(4)
    return this.mm.read(address, bytes, 0, 4) > 0 ? undefined : new DataView(bytes.buffer).getInt32(0, true)
  }
  writeUserInt32(address: number, value: number): boolean {
    return this.mm.write(address, new Uint8Array(Int32Array.of(value).buffer), 0, 4) === 0
  }
  readUserInt64(address: number): number | undefined {
    const bytes = new Uint8Array(8)
    if (this.mm.read(address, bytes, 0, 8) > 0) return undefined
    const view = new DataView(bytes.buffer)
    return view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true)
  }
  writeUserInt64(address: number, value: number): boolean {
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, value % 0x1_0000_0000, true)
    view.setInt32(4, Math.floor(value / 0x1_0000_0000), true)
    return this.mm.write(address, bytes, 0, 8) === 0
  }

  // Objects

  /** A dentry that is held once and not hashed; `sb` only for names outside the tree. */
  newDentry(parent: Dentry | undefined, name: string, sb: SuperBlock = parent!.sb): Dentry {
    return new Dentry(this.context, sb, parent, name)
  }
  /** A new name of a file system that lives in the dentry cache: found from now on, kept until it is unlinked. */
  pin(dentry: Dentry, inode: Inode): void {
    dentry.instantiate(inode)
    dentry.volatile = false
    dentry.hash()
    dentry.hold()
  }
  readonly release = (file: File): void => this.closing.release(file)

  /** What a link leads to without being a path name (/proc/PID/exe); undefined for ordinary links, negative errno when it is broken. */
  jumpTarget(inode: Inode): Path | number | undefined {
    return this.generated.jump(inode)
  }
  /** Let `ops` answer for an open file from now on (replace_fops). */
  setOps(file: File, ops: FileOps): void {
    file.fop = ops
    this.k.mem.writePtr(file.at + this.layout.file.f_op, this.opsTable(ops, 'file_operations'))
  }
  /** init_special_inode(): devices, FIFOs, sockets. */
  initSpecial(inode: Inode, mode: number, dev: number): void {
    const type = mode & S.ifmt
    const ops =
      type === S.ifchr
        ? this.devices.chrdevOps
        : type === S.ifblk
          ? this.devices.blockOps
          : type === S.ififo
            ? this.pipe.ops
            : SOCK_NODE_OPS
    inode.fop = ops
    inode.rdev = type === S.ifchr || type === S.ifblk ? dev : 0
    this.k.mem.writePtr(inode.at + this.layout.inode.i_fop, this.opsTable(ops, 'file_operations'))
  }
  pipeFcntl(file: File, command: number, argument: number): number {
    return this.pipe.fcntl(file, command, argument)
  }

  /** A file without a name in the tree (bpf-map, eventfd …), not in a table yet. `privateAt` becomes private_data. */
  anonFile(name: string, ops: FileOps, priv: unknown, privateAt: number, flags: number): File {
    const inode = this.anonMount.sb.newInode((S.ifreg & 0) | 0o600, NO_INODE_OPS, ops)
    const file = this.open.pseudoFile(this.anonMount, inode, name, flags)
    file.setPrivate(priv, privateAt)
    return file
  }
  /** The same, installed under the lowest free descriptor; negative errno. */
  anonFd(name: string, ops: FileOps, priv: unknown, privateAt: number, flags: number): number {
    return this.open.installNew(this.anonFile(name, ops, priv, privateAt, flags), flags)
  }

  // The tree

  newDev(): number {
    return makeDev(0, this.#nextMinor++)
  }
  newSuper(type: FsType, dev: number, root: { mode: number; iop: InodeOps; fop: FileOps }): SuperBlock {
    let typeAt = this.#types.get(type.name)
    if (typeAt === undefined) {
      typeAt = this.k.alloc.alloc(Math.max(8, this.layout.file_system_type.size))
      const name = this.k.alloc.alloc(type.name.length + 1)
      this.k.mem.writeCstring(name, type.name, type.name.length + 1)
      this.k.mem.writePtr(typeAt + this.layout.file_system_type.name, name)
      this.#types.set(type.name, typeAt)
    }
    return new SuperBlock(this.context, type, typeAt, dev, this.opsTable, root)
  }
  /** Mount a file system on a directory. */
  mount(sb: SuperBlock, devname: string, on: Path): Mount {
    const mount = this.#addMount(sb, devname, on)
    on.dentry.mounts.push(mount)
    on.dentry.hold()
    on.dentry.setMounted()
    return mount
  }
  /** Mount a file system whose content is made on demand. */
  mountGenerated(type: FsType, root: GenNode, on: Path): Mount {
    return this.mount(this.generated.newSuper(type, root, this.newDev()), type.name, on)
  }
  /** A process' view of the tree, for its first task. */
  newFsStruct(pwd: Path = this.root): FsStruct {
    return new FsStruct(this.context, this.root, pwd)
  }
  newFiles(): FilesStruct {
    return new FilesStruct(this.context)
  }

  /** The struct of function pointers of an operations record, made when first needed. */
  readonly opsTable = (ops: OpsTable, struct: OpsStruct): number => {
    const known = this.#opsTables.get(ops.symbol)
    if (known !== undefined) return known
    const { mem, alloc, layouts, functions } = this.k
    const at = alloc.alloc(Math.max(8, layouts.sizeOf(struct)))
    for (const [member, name] of Object.entries(ops.functions)) {
      const field = layouts.field(struct, member)
      const address = functions.addressOf(name)
      if (!field || address === 0) continue
      mem.dv.setInt32(at + field.offset, address, true)
      mem.dv.setInt32(at + field.offset + 4, -1, true)
    }
    this.#opsTables.set(ops.symbol, at)
    return at
  }
  /** Kernel data symbols of the file system: name and offset. */
  symbols(): IterableIterator<[name: string, offset: number]> {
    return this.#opsTables.entries()
  }

  /** The soft limit of the current task; `otherwise` for kernel threads. RLIM_INFINITY reads as the largest safe number. */
  #limit(resource: number, otherwise: number): number {
    const { signal } = this.k.current
    if (signal === 0) return otherwise
    const at = signal + this.k.layout.signal.rlim + resource * 16
    const limit = this.k.mem.dv.getInt32(at + 4, true) === -1 ? -1 : this.k.mem.readInt64(at)
    return limit < 0 ? Number.MAX_SAFE_INTEGER : limit
  }

  #addMount(sb: SuperBlock, devname: string, on: Path | undefined, flags = 0): Mount {
    const id = this.#nextMountId++
    const mount = new Mount(this.context, { id, sb, devname, on, namespace: 0, flags })
    this.mounts.push(mount)
    return mount
  }
  /** A file system that the kernel keeps for itself (pipes, sockets), seen nowhere in the tree. */
  newInternalMount(type: FsType): Mount {
    const sb = this.newSuper(type, this.newDev(), { mode: S.ifdir | 0o755, iop: NO_INODE_OPS, fop: NO_OPS })
    const mount = this.#addMount(sb, type.name, undefined)
    this.mounts.pop()
    return mount
  }
}

/** Opening a socket's name in the tree is no way to reach it. */
const SOCK_NODE_OPS: FileOps = { symbol: 'no_open_fops', functions: {}, open: () => -6 }

type Leaf = (...args: unknown[]) => MaybeWait<number>
function settle(k: Kernel, result: MaybeWait<number>): MaybeWait<number> {
  if (k.current.recorded === undefined) return result
  return isWait(result) ? settleLater(k, result) : k.settle(result)
}
function* settleLater(k: Kernel, wait: Wait<number>): Wait<number> {
  const end = k.settle(yield* wait)
  return isWait(end) ? yield* end : end
}
/** Bodies with their results settled, by number of arguments: what is declared counts them. */
const SETTLED: readonly ((k: Kernel, body: Leaf) => Leaf)[] = [
  (k, body) => () => settle(k, body()),
  (k, body) => (a) => settle(k, body(a)),
  (k, body) => (a, b) => settle(k, body(a, b)),
  (k, body) => (a, b, c) => settle(k, body(a, b, c)),
  (k, body) => (a, b, c, d) => settle(k, body(a, b, c, d)),
  (k, body) => (a, b, c, d, e) => settle(k, body(a, b, c, d, e)),
  (k, body) => (a, b, c, d, e, f) => settle(k, body(a, b, c, d, e, f)),
  (k, body) => (a, b, c, d, e, f, g) => settle(k, body(a, b, c, d, e, f, g)),
]

/** Bodies of security hooks, by number of arguments: the wrappers pass as many as a body takes. */
const ALLOW: readonly ((...args: never[]) => number)[] = [
  () => 0,
  (_a: never) => 0,
  (_a: never, _b: never) => 0,
  (_a: never, _b: never, _c: never) => 0,
  (_a: never, _b: never, _c: never, _d: never) => 0,
  (_a: never, _b: never, _c: never, _d: never, _e: never) => 0,
]
