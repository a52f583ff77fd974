// Where the active kernel keeps the members of the file system's structs that are written here. -1 is what that version lacks.

import type { Layouts } from '../../base/layouts.ts'

/** The structs with the members used of each: key in our code -> path in the struct (alternatives by `|`, for renamed members). */
// biome-ignore format: a table reads better dense
const STRUCTS = {
  file: { f_count: 'f_count', f_mode: 'f_mode', f_op: 'f_op', f_mapping: 'f_mapping', private_data: 'private_data', f_inode: 'f_inode',
    f_flags: 'f_flags', f_cred: 'f_cred', f_path: 'f_path', f_pos: 'f_pos', f_version: 'f_version|f_pipe' },
  dentry: { d_flags: 'd_flags', d_parent: 'd_parent', hash: 'd_name.hash', len: 'd_name.len', d_name: 'd_name', name: 'd_name.name',
    d_inode: 'd_inode', d_iname: 'd_iname|d_shortname.string', d_sb: 'd_sb', count: 'd_lockref.count', d_time: 'd_time' },
  inode: { i_mode: 'i_mode', i_uid: 'i_uid', i_gid: 'i_gid', i_flags: 'i_flags', i_op: 'i_op', i_sb: 'i_sb', i_mapping: 'i_mapping',
    i_ino: 'i_ino', i_nlink: 'i_nlink', i_rdev: 'i_rdev', i_size: 'i_size', i_blkbits: 'i_blkbits', i_blocks: 'i_blocks',
    i_count: 'i_count', i_fop: 'i_fop', i_data: 'i_data', i_pipe: 'i_pipe', i_generation: 'i_generation',
    atime_sec: 'i_atime_sec|__i_atime.tv_sec|i_atime.tv_sec', mtime_sec: 'i_mtime_sec|__i_mtime.tv_sec|i_mtime.tv_sec',
    ctime_sec: 'i_ctime_sec|__i_ctime.tv_sec|i_ctime.tv_sec', atime_nsec: 'i_atime_nsec|__i_atime.tv_nsec|i_atime.tv_nsec',
    mtime_nsec: 'i_mtime_nsec|__i_mtime.tv_nsec|i_mtime.tv_nsec', ctime_nsec: 'i_ctime_nsec|__i_ctime.tv_nsec|i_ctime.tv_nsec' },
  address_space: { host: 'host', nrpages: 'nrpages' },
  super_block: { s_dev: 's_dev', s_blocksize_bits: 's_blocksize_bits', s_blocksize: 's_blocksize', s_maxbytes: 's_maxbytes',
    s_type: 's_type', s_op: 's_op', s_flags: 's_flags', s_magic: 's_magic', s_root: 's_root', s_id: 's_id' },
  file_system_type: { name: 'name' },
  mount: { mnt_parent: 'mnt_parent', mnt_mountpoint: 'mnt_mountpoint', mnt: 'mnt', mnt_devname: 'mnt_devname', mnt_ns: 'mnt_ns',
    mnt_id: 'mnt_id' },
  vfsmount: { mnt_root: 'mnt_root', mnt_sb: 'mnt_sb', mnt_flags: 'mnt_flags' },
  path: { mnt: 'mnt', dentry: 'dentry' },
  files_struct: { count: 'count', fdt: 'fdt', fdtab: 'fdtab', next_fd: 'next_fd', close_on_exec_init: 'close_on_exec_init',
    open_fds_init: 'open_fds_init', full_fds_bits_init: 'full_fds_bits_init', fd_array: 'fd_array' },
  fdtable: { max_fds: 'max_fds', fd: 'fd', close_on_exec: 'close_on_exec', open_fds: 'open_fds', full_fds_bits: 'full_fds_bits' },
  fs_struct: { users: 'users', umask: 'umask', root: 'root', pwd: 'pwd' },
  filename: { name: 'name', uptr: 'uptr', refcnt: 'refcnt', iname: 'iname' },
  nameidata: { path: 'path', last: 'last', last_name: 'last.name', last_len: 'last.len', root: 'root', inode: 'inode', flags: 'flags',
    last_type: 'last_type', depth: 'depth', name: 'name', dfd: 'dfd', total_link_count: 'total_link_count' },
  open_flags: { open_flag: 'open_flag', mode: 'mode', acc_mode: 'acc_mode', intent: 'intent', lookup_flags: 'lookup_flags' },
  kiocb: { ki_filp: 'ki_filp', ki_pos: 'ki_pos', ki_flags: 'ki_flags' },
  iov_iter: { iter_type: 'iter_type', data_source: 'data_source', iov_offset: 'iov_offset', ubuf: 'ubuf', count: 'count',
    nr_segs: 'nr_segs' },
  kstat: { result_mask: 'result_mask', mode: 'mode', nlink: 'nlink', blksize: 'blksize', ino: 'ino', dev: 'dev', rdev: 'rdev',
    uid: 'uid', gid: 'gid', size: 'size', blocks: 'blocks' },
  renamedata: { old_idmap: 'old_mnt_idmap|old_mnt_userns', old_dir: 'old_dir', old_dentry: 'old_dentry',
    new_idmap: 'new_mnt_idmap|new_mnt_userns', new_dir: 'new_dir', new_dentry: 'new_dentry', flags: 'flags' },
  pipe_inode_info: { head: 'head', tail: 'tail', max_usage: 'max_usage', ring_size: 'ring_size', readers: 'readers',
    writers: 'writers', files: 'files', r_counter: 'r_counter', w_counter: 'w_counter', bufs: 'bufs' },
  pipe_buffer: { offset: 'offset', len: 'len' },
  eventpoll: { file: 'file' },
  eventfd_ctx: { count: 'count', flags: 'flags', id: 'id' },
} as const

type Structs = typeof STRUCTS
export type FsLayout = {
  readonly [S in keyof Structs]: { readonly size: number } & Readonly<Record<keyof Structs[S], number>>
} & {
  /** Bytes of a name, its NUL included, that fit inside struct dentry (DNAME_INLINE_LEN). */
  readonly inlineNameBytes: number
}

export function fsLayout(layouts: Layouts): FsLayout {
  const bound: Record<string, object> = {}
  for (const [name, members] of Object.entries(STRUCTS))
    bound[name] = { ...layouts.bind(name, members as Record<string, string>), size: layouts.sizeOf(name) }
  const inline = layouts.field('dentry', 'd_iname') ?? layouts.field('dentry', 'd_shortname.string')
  return { ...bound, inlineNameBytes: inline?.size ?? 0 } as FsLayout
}
