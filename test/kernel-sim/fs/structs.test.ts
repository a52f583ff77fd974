// What a BPF program reads when it follows the kernel's pointers, from bytes and BTF alone.
import { describe, expect, test } from 'vitest'
import { O, S } from '../../../kernel-sim/fs/uapi.ts'
import { Machine } from './machine.ts'

/** Follows member paths of structs by the kernel's BTF: `walk('task_struct', at, 'files', 'files_struct', 'fdt')`. */
class Walker {
  readonly #machine: Machine
  constructor(machine: Machine) {
    this.#machine = machine
  }
  at(struct: string, path: string): number {
    const field = this.#machine.k.layouts.field(struct, path)
    if (!field) throw new Error(`no ${struct}.${path}`)
    return field.offset
  }
  ptr(struct: string, at: number, path: string): number {
    const where = at + this.at(struct, path)
    expect(this.#machine.k.mem.dv.getInt32(where + 4, true), `${struct}.${path} is a kernel pointer`).toBe(
      0xffff8880 | 0,
    )
    return this.#machine.k.mem.readPtr(where)
  }
  u32(struct: string, at: number, path: string): number {
    return this.#machine.k.mem.dv.getUint32(at + this.at(struct, path), true)
  }
  u16(struct: string, at: number, path: string): number {
    return this.#machine.k.mem.dv.getUint16(at + this.at(struct, path), true)
  }
  u64(struct: string, at: number, path: string): number {
    return this.#machine.k.mem.readInt64(at + this.at(struct, path))
  }
  text(at: number): string {
    return this.#machine.k.mem.cstring(at, 256)
  }
}

describe.each(['6.12', '6.1'])('structs on %s', (kernel) => {
  const long = 'a-name-that-does-not-fit-inside-the-dentry-itself.txt'
  const machine = new Machine({
    kernel,
    nodes: [{ path: `/srv/${long}`, kind: 'file', mode: 0o640, uid: 1, gid: 2, content: 'hello' }],
  })
  const w = new Walker(machine)
  const p = machine.process()
  const { k } = machine

  test('task->files->fdt->fd[n]->f_path.dentry->d_name.name', () => {
    const fd = p.open(`/srv/${long}`, O.rdwr | O.append)
    const files = w.ptr('task_struct', p.task.at, 'files')
    const fdt = w.ptr('files_struct', files, 'fdt')
    const file = k.mem.readPtr(w.ptr('fdtable', fdt, 'fd') + fd * 8)
    const dentry = w.ptr('file', file, 'f_path.dentry')
    expect(w.text(w.ptr('dentry', dentry, 'd_name.name'))).toBe(long)
    expect(w.u32('dentry', dentry, 'd_name.len')).toBe(long.length)
    const parent = w.ptr('dentry', dentry, 'd_parent')
    expect(w.text(w.ptr('dentry', parent, 'd_name.name'))).toBe('srv')
    // Short names lie inside the dentry.
    expect(w.ptr('dentry', parent, 'd_name.name')).toBe(parent + w.at('dentry', 'd_iname'))
    expect(w.u32('file', file, 'f_flags')).toBe(O.rdwr | O.append | O.largefile)
    expect(w.u32('file', file, 'f_mode') & 3).toBe(3)
    p.sys('read', fd, p.out, 2)
    expect(w.u64('file', file, 'f_pos')).toBe(2)

    const inode = w.ptr('file', file, 'f_inode')
    expect(inode).toBe(w.ptr('dentry', dentry, 'd_inode'))
    expect(w.u16('inode', inode, 'i_mode')).toBe(S.ifreg | 0o640)
    expect([w.u32('inode', inode, 'i_uid'), w.u32('inode', inode, 'i_gid'), w.u64('inode', inode, 'i_size')]).toEqual([
      1, 2, 5,
    ])
    const sb = w.ptr('inode', inode, 'i_sb')
    expect(w.u64('super_block', sb, 's_magic')).toBe(0x858458f6)
    expect(w.text(w.ptr('file_system_type', w.ptr('super_block', sb, 's_type'), 'name'))).toBe('rootfs')
    expect(w.ptr('address_space', w.ptr('inode', inode, 'i_mapping'), 'host')).toBe(inode)

    // f_op points to a struct of text addresses that kallsyms knows.
    const readIter = w.at('file_operations', 'read_iter') + w.ptr('file', file, 'f_op')
    expect(k.functions.symbolAt(k.mem.dv.getInt32(readIter, true))?.name).toBe('generic_file_read_iter')
  })

  test('mounts lead up to the root', () => {
    p.sys('chdir', '/proc/sys')
    const fs = w.ptr('task_struct', p.task.at, 'fs')
    const vfsmount = w.ptr('fs_struct', fs, 'pwd.mnt')
    const mount = vfsmount - w.at('mount', 'mnt')
    const mountpoint = w.ptr('mount', mount, 'mnt_mountpoint')
    expect(w.text(w.ptr('dentry', mountpoint, 'd_name.name'))).toBe('proc')
    const top = w.ptr('mount', mount, 'mnt_parent')
    expect(w.ptr('mount', top, 'mnt_parent')).toBe(top)
    expect(w.ptr('vfsmount', top + w.at('mount', 'mnt'), 'mnt_root')).toBe(w.ptr('fs_struct', fs, 'root.dentry'))
    const ns = w.ptr('nsproxy', w.ptr('task_struct', p.task.at, 'nsproxy'), 'mnt_ns')
    expect(w.u32('mnt_namespace', ns, 'ns.inum')).toBe(0xf0000000)
    expect(w.ptr('mount', mount, 'mnt_ns')).toBe(ns)
  })

  test('the descriptor table grows in Linux sizes, bitmaps with it', () => {
    const q = machine.process()
    for (let i = 0; i < 70; i++) q.open('/etc/passwd', i === 65 ? O.cloexec : 0)
    const fdt = w.ptr('files_struct', w.ptr('task_struct', q.task.at, 'files'), 'fdt')
    expect(w.u32('fdtable', fdt, 'max_fds')).toBe(128)
    const open = w.ptr('fdtable', fdt, 'open_fds')
    expect([...k.mem.bytes(open, 10)]).toEqual([255, 255, 255, 255, 255, 255, 255, 255, 63, 0])
    expect([...k.mem.bytes(w.ptr('fdtable', fdt, 'close_on_exec'), 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 2, 0])
  })

  test('calls go through the functions that tools probe', () => {
    const seen: string[] = []
    const detach = [
      'do_sys_openat2',
      'do_filp_open',
      'path_openat',
      'vfs_open',
      'do_dentry_open',
      'vfs_read',
      'vfs_statx',
      'vfs_unlink',
      'security_inode_create',
      '__fput',
    ].map((name) =>
      k.functions.get(name)!.attach({
        entry: () => void seen.push(name),
        exit: (call) => void seen.push(`${name}=${call.result < 0 ? call.result : 'ok'}`),
      }),
    )
    const fd = p.open('/tmp/probed', O.rdwr | O.creat, 0o600)
    p.sys('read', fd, p.out, 1)
    p.sys('unlink', '/tmp/probed')
    p.sys('close', fd)
    p.sys('newfstatat', -100, '/tmp/probed', p.out, 0)
    for (const undo of detach) undo()
    expect(seen).toEqual([
      'do_sys_openat2',
      'do_filp_open',
      'path_openat',
      'security_inode_create',
      'security_inode_create=ok',
      'vfs_open',
      'do_dentry_open',
      'do_dentry_open=ok',
      'vfs_open=ok',
      'path_openat=ok',
      'do_filp_open=ok',
      'do_sys_openat2=ok',
      'vfs_read',
      'vfs_read=ok',
      'vfs_unlink',
      'vfs_unlink=ok',
      '__fput',
      '__fput=ok',
      'vfs_statx',
      'vfs_statx=-2',
    ])
  })

  test('a probe finds the file behind the arguments of vfs_read', () => {
    const names: string[] = []
    const undo = k.functions.get('vfs_read')!.attach({
      entry(call) {
        const file = k.mem.readPtr(call.args)
        names.push(w.text(w.ptr('dentry', w.ptr('file', file, 'f_path.dentry'), 'd_name.name')))
        names.push(String(k.mem.readInt64(call.args + 16)))
      },
    })
    const fd = p.open('/etc/hostname')
    p.sys('read', fd, p.out, 77)
    undo()
    expect(names).toEqual(['hostname', '77'])
  })
})
