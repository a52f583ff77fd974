// struct fs_struct: root, working directory and umask of a process (shared with CLONE_FS).

import type { FsContext } from './context.ts'
import { type Path, writePath } from './mount.ts'

export class FsStruct {
  readonly at: number
  readonly #context: FsContext
  #root!: Path
  #pwd!: Path

  constructor(context: FsContext, root: Path, pwd: Path, umask = 0o022) {
    this.#context = context
    this.at = context.alloc.alloc(context.layout.fs_struct.size)
    context.mem.dv.setInt32(this.at + context.layout.fs_struct.users, 1, true)
    root.dentry.hold()
    pwd.dentry.hold()
    this.#setRoot(root)
    this.#setPwd(pwd)
    this.umask = umask
  }

  get umask(): number {
    return this.#context.mem.dv.getInt32(this.at + this.#context.layout.fs_struct.umask, true)
  }
  set umask(mask: number) {
    this.#context.mem.dv.setInt32(this.at + this.#context.layout.fs_struct.umask, mask, true)
  }
  get root(): Path {
    return this.#root
  }
  get pwd(): Path {
    return this.#pwd
  }

  chdir(path: Path): void {
    path.dentry.hold()
    this.#pwd.dentry.put()
    this.#setPwd(path)
  }

  chroot(path: Path): void {
    path.dentry.hold()
    this.#root.dentry.put()
    this.#setRoot(path)
  }

  /** copy_fs_struct(), for fork. */
  copy(): FsStruct {
    return new FsStruct(this.#context, this.#root, this.#pwd, this.umask)
  }

  hold(): void {
    const at = this.at + this.#context.layout.fs_struct.users
    this.#context.mem.dv.setInt32(at, this.#context.mem.dv.getInt32(at, true) + 1, true)
  }

  put(): void {
    const at = this.at + this.#context.layout.fs_struct.users
    const left = this.#context.mem.dv.getInt32(at, true) - 1
    this.#context.mem.dv.setInt32(at, left, true)
    if (left > 0) return
    this.#root.dentry.put()
    this.#pwd.dentry.put()
    this.#context.alloc.free(this.at)
  }

  #setRoot(path: Path): void {
    this.#root = path
    writePath(this.#context, this.at + this.#context.layout.fs_struct.root, path)
  }

  #setPwd(path: Path): void {
    this.#pwd = path
    writePath(this.#context, this.at + this.#context.layout.fs_struct.pwd, path)
  }
}
