// struct dentry: a name in a directory, with an inode or (negative) without. Children are found through their parent; a dentry that
// is unhashed is found no more but lives as long as someone holds it.
// Linux hashes names with word-wide arithmetic and the parent's address; d_name.hash here is FNV-1a with the same salt.

import { KERNEL_HI } from '../../base/memory.ts'
import type { FsContext } from './context.ts'
import type { Inode } from './inode.ts'
import type { Mount } from './mount.ts'
import type { SuperBlock } from './super-block.ts'
import { S } from './uapi.ts'

/** d_flags: the type of what the name stands for, and that something is mounted there. */
const DCACHE = {
  mounted: 0x10000,
  typeMask: 0x700000,
  directory: 0x200000,
  regular: 0x400000,
  special: 0x500000,
} as const
const DCACHE_SYMLINK = 0x600000

export class Dentry {
  readonly at: number
  readonly sb: SuperBlock
  /** Itself for the root of a file system. */
  parent: Dentry
  name: string
  inode: Inode | undefined
  readonly children = new Map<string, Dentry>()
  /** What is mounted on it, topmost last. */
  readonly mounts: Mount[] = []
  hashed = false
  /** Names that vanish when nobody holds them (negative ones, /proc), as d_delete of always_delete_dentry says. */
  volatile = false
  readonly #context: FsContext
  #externalName = 0

  constructor(context: FsContext, sb: SuperBlock, parent: Dentry | undefined, name: string) {
    const { mem, alloc, layout } = context
    this.#context = context
    this.at = alloc.alloc(layout.dentry.size)
    this.sb = sb
    this.parent = parent ?? this
    this.name = name
    mem.writePtr(this.at + layout.dentry.d_sb, sb.at)
    this.#setCount(1)
    this.#writeName(name)
    this.#writeParent()
    parent?.hold()
  }

  get count(): number {
    return this.#context.mem.i32[(this.at + this.#context.layout.dentry.count) >> 2]!
  }

  hold(): void {
    this.#setCount(this.count + 1)
  }

  /** dput(): a name that vanishes, or is unhashed, is gone with its last holder. */
  put(): void {
    const left = this.count - 1
    this.#setCount(left)
    if (left > 0 || (this.hashed && !this.volatile)) return
    this.unhash()
    this.inode?.put()
    this.inode = undefined
    if (this.#externalName !== 0) this.#context.alloc.free(this.#externalName)
    this.#context.alloc.free(this.at)
    if (this.parent !== this) this.parent.put()
  }

  /** Findable in its parent from now on (d_add's rehash). */
  hash(): void {
    this.parent.children.set(this.name, this)
    this.hashed = true
  }

  unhash(): void {
    if (this.hashed && this.parent.children.get(this.name) === this) this.parent.children.delete(this.name)
    this.hashed = false
  }

  /** d_instantiate(): the inode's reference goes to the dentry. */
  instantiate(inode: Inode | undefined): void {
    const { mem, layout } = this.#context
    this.inode = inode
    mem.writePtr(this.at + layout.dentry.d_inode, inode?.at ?? 0)
    const at = this.at + layout.dentry.d_flags
    mem.dv.setInt32(at, (mem.dv.getInt32(at, true) & ~DCACHE.typeMask) | typeFlag(inode), true)
  }

  /** Put `mount` on top of the directory, or take it away. */
  setMounted(): void {
    const { mem, layout } = this.#context
    const at = this.at + layout.dentry.d_flags
    const flags = mem.dv.getInt32(at, true)
    mem.dv.setInt32(at, this.mounts.length > 0 ? flags | DCACHE.mounted : flags & ~DCACHE.mounted, true)
  }

  /** d_move(): another name, in the same or another directory. */
  move(parent: Dentry, name: string): void {
    this.unhash()
    const old = this.parent
    parent.hold()
    this.parent = parent
    this.name = name
    this.#writeName(name)
    this.#writeParent()
    this.hash()
    old.put()
  }

  #setCount(count: number): void {
    this.#context.mem.i32[(this.at + this.#context.layout.dentry.count) >> 2] = count
  }

  #writeParent(): void {
    this.#context.mem.writePtr(this.at + this.#context.layout.dentry.d_parent, this.parent.at)
  }

  #writeName(name: string): void {
    const { mem, alloc, layout } = this.#context
    const { dentry } = layout
    let at = this.at + dentry.d_iname
    if (this.#externalName !== 0) alloc.free(this.#externalName)
    this.#externalName = 0
    if (name.length >= layout.inlineNameBytes) {
      // struct external_name: a count or an rcu_head (16 bytes), then the name.
      this.#externalName = alloc.alloc(16 + name.length + 1)
      mem.dv.setInt32(this.#externalName, 1, true)
      at = this.#externalName + 16
    }
    let hash = 0x811c9dc5 ^ this.parent.at
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i)
      mem.u8[at + i] = code
      hash = Math.imul(hash ^ code, 0x01000193)
    }
    mem.u8[at + name.length] = 0
    mem.dv.setInt32(this.at + dentry.hash, hash, true)
    mem.dv.setInt32(this.at + dentry.len, name.length, true)
    mem.dv.setInt32(this.at + dentry.name, at, true)
    mem.dv.setInt32(this.at + dentry.name + 4, KERNEL_HI, true)
  }
}

function typeFlag(inode: Inode | undefined): number {
  if (!inode) return 0
  const type = inode.mode & S.ifmt
  if (type === S.ifdir) return DCACHE.directory
  if (type === S.ifreg) return DCACHE.regular
  return type === S.iflnk ? DCACHE_SYMLINK : DCACHE.special
}
