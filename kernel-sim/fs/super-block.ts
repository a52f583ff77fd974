// struct super_block and struct file_system_type: one mounted file system, from which its inodes come.

import type { FsContext } from './context.ts'
import { Dentry } from './dentry.ts'
import type { FileOps } from './file-ops.ts'
import { Inode, type InodeOps } from './inode.ts'

export interface FsType {
  readonly name: string
  /** f_type of statfs. */
  readonly magic: number
  /** The name that /proc/PID/fd shows of a file without a place in the tree (d_dname). */
  readonly nameOf?: (inode: Inode, dentry: Dentry) => string
  /** For statfs; without it the answer is simple_statfs(): block size and name length only. */
  readonly statfs?: (sb: SuperBlock) => { blocks: number; bfree: number; bavail: number; files: number; ffree: number }
}

/** Operations that have a struct of function pointers in kernel memory. */
export interface OpsTable {
  readonly symbol: string
  readonly functions: Readonly<Record<string, string>>
}

export type OpsStruct = 'file_operations' | 'inode_operations' | 'super_operations' | 'proto_ops' | 'proto'

export class SuperBlock {
  readonly at: number
  readonly type: FsType
  readonly root: Dentry
  /** The offset of the struct of function pointers of an operations record; one per record and kernel. */
  readonly opsTable: (ops: OpsTable, struct: OpsStruct) => number
  readonly #context: FsContext
  #nextIno = 1

  /** `dev` is MKDEV(major, minor); `typeAt` the offset of the struct file_system_type. */
  constructor(
    context: FsContext,
    type: FsType,
    typeAt: number,
    dev: number,
    opsTable: (ops: OpsTable, struct: OpsStruct) => number,
    root: { mode: number; iop: InodeOps; fop: FileOps },
  ) {
    const { mem, alloc, layout } = context
    this.#context = context
    this.type = type
    this.opsTable = opsTable
    this.at = alloc.alloc(layout.super_block.size)
    const { super_block } = layout
    mem.dv.setUint32(this.at + super_block.s_dev, dev, true)
    mem.dv.setUint8(this.at + super_block.s_blocksize_bits, 12)
    mem.writeInt64(this.at + super_block.s_blocksize, 4096)
    mem.writeInt64(this.at + super_block.s_magic, type.magic)
    mem.writePtr(this.at + super_block.s_type, typeAt)
    mem.dv.setInt32(this.at + super_block.s_maxbytes, -1, true)
    mem.dv.setInt32(this.at + super_block.s_maxbytes + 4, 0x7fffffff, true)
    mem.writeCstring(this.at + super_block.s_id, type.name, 32)
    const inode = this.newInode(root.mode, root.iop, root.fop)
    this.root = new Dentry(context, this, undefined, '/')
    this.root.instantiate(inode)
    mem.writePtr(this.at + super_block.s_root, this.root.at)
  }

  get dev(): number {
    return this.#context.mem.dv.getUint32(this.at + this.#context.layout.super_block.s_dev, true)
  }

  /** An inode without a name yet. `ino` where the number is not just the next one. */
  newInode(mode: number, iop: InodeOps, fop: FileOps, ino: number = this.#nextIno++): Inode {
    return new Inode(this.#context, this, ino, mode, iop, fop)
  }
}
