// bpf_d_path(): the absolute name of a struct path, seen from the current task's root.

import { ERRNO } from '../../base/errno.ts'
import { pathName } from '../../kernel-sim/fs/mount.ts'
import type { HelperFamily } from './family.ts'

export const pathHelpers: HelperFamily = ({ kernel }) => [
  {
    id: 147,
    name: 'd_path',
    takes: ['ptr', 'ptr', 'u32'],
    gives: 's32',
    partial: 'only for the f_path of open files; others are -ENOENT',
    run: (path, to, size) => {
      const { mem, vfs, current } = kernel
      if (size === 0) return 0
      const file = vfs.files.get(path - vfs.layout.file.f_path)
      if (!file) return -ERRNO.ENOENT
      const name = pathName(file.path, current.fs?.root)
      if (name.length >= size) return -ERRNO.ENAMETOOLONG
      mem.writeCstring(to, name, name.length + 1)
      return name.length + 1
    },
  },
]
