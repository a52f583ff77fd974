// Path names to places: getname(), the walk over components with mounts and symbolic links, and the lookups that system calls use.
// struct nameidata lies in the frame of whoever walks, as in Linux; the object beside it is how the walk is written down here.
// Linux first walks without taking references (RCU) and falls back when it must; here every step holds what it stands on.

import { ERRNO } from '../../base/errno.ts'
import type { Dentry } from './dentry.ts'
import { followMounts, type Path, writePath } from './mount.ts'
import { AT, MAXSYMLINKS, MAY, NAME_MAX, PATH_MAX } from './uapi.ts'
import type { Vfs } from './vfs.ts'

/** LOOKUP_* (include/linux/namei.h). */
// biome-ignore format: a table reads better dense
export const LOOKUP = {
  follow: 0x1, directory: 0x2, empty: 0x4000, parent: 0x10, open: 0x100, create: 0x200, excl: 0x400, renameTarget: 0x800,
} as const

/** last_type: what kind of name the last component is. */
export const LAST = { norm: 0, root: 1, dot: 2, dotdot: 3 } as const

/** A path name copied from user space, with its struct filename. */
export class Filename {
  readonly at: number
  name = ''
  constructor(at: number) {
    this.at = at
  }
}

export class Nameidata {
  readonly at: number
  readonly #vfs: Vfs
  readonly dfd: number
  readonly name: Filename
  readonly root: Path
  flags: number
  /** Where the walk stands; held. */
  path!: Path
  /** The last component, not walked yet, and whether slashes follow it. */
  last = ''
  lastType: number = LAST.norm
  trailingSlash = false
  /** What lookup_fast() found. */
  found: Dentry | undefined
  /** Text of the symbolic link that the last step met. */
  link = ''
  linkCount = 0
  /** Rests of names that links were met in. */
  readonly rests: string[] = []

  constructor(vfs: Vfs, dfd: number, name: Filename, flags: number) {
    const { mem, layout } = vfs.context
    const { nameidata } = layout
    this.#vfs = vfs
    const task = vfs.k.current
    task.sp -= (Math.max(nameidata.size, 8) + 15) & ~15
    this.at = task.sp
    mem.u8.fill(0, this.at, this.at + Math.max(nameidata.size, 0))
    this.dfd = dfd
    this.name = name
    this.flags = flags
    this.root = task.fs!.root
    if (nameidata.size < 0) return
    mem.writePtr(this.at + nameidata.name, name.at)
    mem.dv.setInt32(this.at + nameidata.dfd, dfd, true)
    writePath(vfs.context, this.at + nameidata.root, this.root)
    this.setFlags(flags)
  }

  setFlags(flags: number): void {
    const { nameidata } = this.#vfs.layout
    this.flags = flags
    if (nameidata.size >= 0) this.#vfs.context.mem.dv.setInt32(this.at + nameidata.flags, flags, true)
  }

  /** Offset of nd->last, a struct qstr. */
  get lastAt(): number {
    return this.at + Math.max(0, this.#vfs.layout.nameidata.last)
  }

  /** Stand on `path`, whose reference the caller gives. */
  setPath(path: Path): void {
    const { nameidata } = this.#vfs.layout
    this.path = path
    if (nameidata.size < 0) return
    writePath(this.#vfs.context, this.at + nameidata.path, path)
    this.#vfs.context.mem.writePtr(this.at + nameidata.inode, path.dentry.inode?.at ?? 0)
  }

  /** Note the component at `start` of the name (for nd->last) and its text. */
  setLast(text: string, type: number, nameOffset: number): void {
    const { nameidata } = this.#vfs.layout
    this.last = text
    this.lastType = type
    if (nameidata.size < 0) return
    const { mem } = this.#vfs.context
    mem.writePtr(this.at + nameidata.last_name, nameOffset)
    mem.dv.setInt32(this.at + nameidata.last_len, text.length, true)
    mem.dv.setInt32(this.at + nameidata.last_type, type, true)
  }

  /** terminate_walk(): let go of where it stands. */
  drop(): void {
    this.path.dentry.put()
  }
}

const SLASH = 47

export function declareNamei(vfs: Vfs) {
  const { k, context, layout } = vfs
  const { mem } = context
  const names: Filename[] = []
  const textAt = layout.filename.iname

  const newFilename = (): Filename => names.pop() ?? new Filename(context.alloc.allocPages(2))

  /** A struct filename with this text, for names that come from the kernel itself. */
  const kernelName = (text: string, uptr = 0): Filename => {
    const filename = newFilename()
    const { at } = filename
    filename.name = text
    mem.writePtr(at + layout.filename.name, at + textAt)
    mem.writeInt64(at + layout.filename.uptr, uptr)
    mem.dv.setInt32(at + layout.filename.refcnt, 1, true)
    const { u8 } = mem
    for (let i = 0; i < text.length; i++) u8[at + textAt + i] = text.charCodeAt(i)
    u8[at + textAt + text.length] = 0
    return filename
  }

  const putname = (filename: Filename): void => {
    names.push(filename)
  }

  /** What getname() returned, as the object; valid until the next one. */
  let copied: Filename | undefined
  const getnameBody = (address: number, flags: number): number => {
    const text = k.current.mm?.readString(address, PATH_MAX) ?? -ERRNO.EFAULT
    if (typeof text === 'number') return text
    if (text === '' && !(flags & LOOKUP.empty)) return -ERRNO.ENOENT
    copied = kernelName(text, address)
    return copied.at
  }
  const getnameFlags = vfs.declare(
    vfs.isLegacy
      ? 'struct filename *getname_flags(const char __user *filename, int flags, int *empty)'
      : 'struct filename *getname_flags(const char __user *filename, int flags)',
    getnameBody,
  )
  const getnamePlain = vfs.declare('struct filename *getname(const char __user *filename)', (address: number) =>
    getnameBody(address, 0),
  )
  /** The name at a user address; negative errno as a number: -EFAULT, -ENAMETOOLONG, -ENOENT when empty. Give it back with putname(). */
  const getname = (address: number, flags = 0): Filename | number => {
    const result = flags === 0 ? getnamePlain(address) : getnameFlags(address, flags)
    return result < 0 ? result : copied!
  }

  const lookupFast = vfs.declare('struct dentry *lookup_fast(struct nameidata *nd)', (nd: Nameidata): number => {
    const found = nd.path.dentry.children.get(nd.last)
    nd.found = found
    if (!found) return 0
    found.hold()
    return found.at
  })

  /** d_alloc_parallel() and the directory's own lookup: a dentry, negative when there is no such name. */
  let allocated: Dentry | undefined
  const dAllocParallel = vfs.declare(
    'struct dentry *d_alloc_parallel(struct dentry *parent, const struct qstr *name, wait_queue_head_t *wq)',
    (parent: Dentry, _qstr: number, _wq: number, name: string): number => {
      allocated = vfs.newDentry(parent, name)
      allocated.volatile = true
      return allocated.at
    },
  )
  /** The held dentry of a name not in the cache, or negative errno. */
  const lookupReal = (parent: Dentry, name: string, qstr: number): Dentry | number => {
    const dir = parent.inode!
    if (dir.nlink === 0) return -ERRNO.ENOENT
    dAllocParallel(parent, qstr, 0, name)
    const dentry = allocated!
    const failed = dir.iop.lookup?.(dir, dentry) ?? -ERRNO.ENOTDIR
    if (failed === 0) return dentry
    dentry.put()
    return failed
  }

  /** Step to `dentry` (its reference is taken over). 0, 1 when it is a link to follow (nd.link), or negative errno. */
  const stepInto = vfs.declare(
    'const char *step_into(struct nameidata *nd, int flags, struct dentry *dentry)',
    (nd: Nameidata, flags: number, dentry: Dentry): number => {
      let path: Path = { mount: nd.path.mount, dentry }
      if (dentry.mounts.length > 0) {
        path = followMounts(path)
        path.dentry.hold()
        dentry.put()
      }
      const inode = path.dentry.inode
      if (!inode) {
        path.dentry.put()
        return -ERRNO.ENOENT
      }
      const isTrailing = (flags & WALK_TRAILING) !== 0
      if (!inode.isLink || (isTrailing && !(nd.flags & LOOKUP.follow)) || flags & WALK_NOFOLLOW) {
        nd.path.dentry.put()
        nd.setPath(path)
        return 0
      }
      const result = pickLink(nd, path)
      path.dentry.put()
      return result
    },
  )
  const followSecurity = vfs.security(
    'int security_inode_follow_link(struct dentry *dentry, struct inode *inode, bool rcu)',
  )
  const pickLink = (nd: Nameidata, path: Path): number => {
    if (++nd.linkCount > MAXSYMLINKS) return -ERRNO.ELOOP
    if (layout.nameidata.size >= 0) mem.dv.setInt32(nd.at + layout.nameidata.total_link_count, nd.linkCount, true)
    const inode = path.dentry.inode!
    const refused = followSecurity(path.dentry, inode, 0)
    if (refused) return refused
    const jump = vfs.jumpTarget(inode)
    if (typeof jump === 'number') return jump
    if (jump) {
      jump.dentry.hold()
      nd.path.dentry.put()
      nd.setPath(jump)
      return 0
    }
    const text = inode.iop.getLink!(inode)
    if (text === '') return -ERRNO.ENOENT
    nd.link = text
    return 1
  }

  const handleDots = vfs.declare(
    'const char *handle_dots(struct nameidata *nd, int type)',
    (nd: Nameidata, type: number): number => {
      if (type !== LAST.dotdot) return 0
      let { mount, dentry } = nd.path
      if (mount === nd.root.mount && dentry === nd.root.dentry) return 0
      while (dentry === mount.root && mount.parent !== mount) {
        dentry = mount.mountpoint
        mount = mount.parent
        if (mount === nd.root.mount && dentry === nd.root.dentry) break
      }
      const up = followMounts({ mount, dentry: dentry.parent })
      up.dentry.hold()
      nd.path.dentry.put()
      nd.setPath(up)
      return 0
    },
  )

  /** One component. 0, 1 for a link to follow (nd.link), or negative errno. */
  const walkComponent = vfs.declare(
    'const char *walk_component(struct nameidata *nd, int flags)',
    (nd: Nameidata, flags: number): number => {
      if (nd.lastType !== LAST.norm) return handleDots(nd, nd.lastType)
      lookupFast(nd)
      let dentry = nd.found
      if (!dentry) {
        const slow = lookupReal(nd.path.dentry, nd.last, nd.lastAt)
        if (typeof slow === 'number') return slow
        dentry = slow
      }
      return stepInto(nd, flags, dentry)
    },
  )

  const pathInit = (nd: Nameidata, name: string): number => {
    let start: Path
    if (name.charCodeAt(0) === SLASH) start = nd.root
    else if (nd.dfd === AT.fdcwd) start = k.current.fs!.pwd
    else {
      const file = vfs.fds.get(nd.dfd)
      if (!file) return -ERRNO.EBADF
      if (name !== '' && !file.inode.isDir) return -ERRNO.ENOTDIR
      start = file.path
    }
    start.dentry.hold()
    nd.setPath(start)
    return 0
  }

  /** link_path_walk(): everything but the last component, links inside included; the last is left in nd.last. */
  const linkPathWalk = (nd: Nameidata, text: string): number => {
    let name = text
    let at = 0
    // Where the text lies in kernel memory, for nd->last.name; a link's text lies in the link's page, not tracked here.
    let base = text === nd.name.name ? nd.name.at + textAt : 0
    if (name.charCodeAt(0) === SLASH && nd.link !== '') {
      nd.root.dentry.hold()
      nd.path.dentry.put()
      nd.setPath(nd.root)
    }
    const depth = nd.rests.length
    nd.trailingSlash = false
    for (;;) {
      while (name.charCodeAt(at) === SLASH) at++
      if (at >= name.length) {
        // Nothing but slashes: the root itself, or a link to it inside the name.
        if (nd.rests.length === depth) {
          nd.setLast('', LAST.root, base)
          return 0
        }
        name = nd.rests.pop()!
        at = 0
        base = 0
        continue
      }
      const refused = vfs.permission.inodePermission(vfs.idmap, nd.path.dentry.inode!, MAY.exec)
      if (refused) return refused
      let end = name.indexOf('/', at)
      if (end < 0) end = name.length
      const component = name.slice(at, end)
      if (component.length > NAME_MAX) return -ERRNO.ENAMETOOLONG
      const type = component === '.' ? LAST.dot : component === '..' ? LAST.dotdot : LAST.norm
      nd.setLast(component, type, base === 0 ? 0 : base + at)
      at = end
      while (name.charCodeAt(at) === SLASH) at++
      if (at >= name.length) {
        nd.trailingSlash = at > end
        if (nd.rests.length === depth) return 0
        // The end of a link inside the name: its last component is followed like any other, then the rest goes on.
        const step = walkComponent(nd, WALK_MORE)
        if (step < 0) return step
        if (step === 1) {
          name = startLink(nd)
          at = 0
          base = 0
          continue
        }
        name = nd.rests.pop()!
        at = 0
        base = 0
      } else {
        const step = walkComponent(nd, WALK_MORE)
        if (step < 0) return step
        if (step === 1) {
          nd.rests.push(name.slice(at))
          name = startLink(nd)
          at = 0
          base = 0
          continue
        }
      }
      if (!nd.path.dentry.inode!.isDir) return -ERRNO.ENOTDIR
    }
  }
  const startLink = (nd: Nameidata): string => {
    if (nd.link.charCodeAt(0) === SLASH) {
      nd.root.dentry.hold()
      nd.path.dentry.put()
      nd.setPath(nd.root)
    }
    return nd.link
  }

  /** The last component, followed as nd.flags say. */
  const lookupLast = (nd: Nameidata): number => {
    if (nd.lastType === LAST.root) return 0
    if (nd.trailingSlash) nd.setFlags(nd.flags | LOOKUP.follow | LOOKUP.directory)
    return walkComponent(nd, WALK_TRAILING)
  }

  /** Walk to the end. 0 with nd.path held, or negative errno with nothing held. */
  const pathLookupat = vfs.declare(
    'int path_lookupat(struct nameidata *nd, unsigned flags, struct path *path)',
    (nd: Nameidata, _flags: number, _path: number): number => {
      let name = nd.name.name
      const bad = pathInit(nd, name)
      if (bad) return bad
      for (;;) {
        let step = linkPathWalk(nd, name)
        if (step === 0) step = lookupLast(nd)
        if (step === 1) {
          name = nd.link
          continue
        }
        if (step === 0 && nd.flags & LOOKUP.directory && !nd.path.dentry.inode!.isDir) step = -ERRNO.ENOTDIR
        if (step < 0) nd.drop()
        return step
      }
    },
  )

  const filenameLookup = vfs.declare(
    'int filename_lookup(int dfd, struct filename *name, unsigned flags, struct path *path, struct path *root)',
    (dfd: number, name: Filename, flags: number, out: PathOut, _root: number): number => {
      const nd = new Nameidata(vfs, dfd, name, flags)
      const result = pathLookupat(nd, flags, out.at)
      if (result === 0) out.set(nd.path)
      return result
    },
  )

  /** The place that a name stands for, held, or negative errno. */
  const lookupName = (dfd: number, name: Filename, flags: number): Path | number => {
    const out = new PathOut(vfs)
    const result = filenameLookup(dfd, name, flags, out, 0)
    return result < 0 ? result : out.path!
  }
  /** The same for a name at a user address. */
  const userPathAt = (dfd: number, address: number, flags: number): Path | number => {
    const name = getname(address, flags & LOOKUP.empty)
    if (typeof name === 'number') return name
    const path = lookupName(dfd, name, flags)
    putname(name)
    return path
  }

  const pathParentat = vfs.declare(
    'int path_parentat(struct nameidata *nd, unsigned flags, struct path *parent)',
    (nd: Nameidata, _flags: number, _parent: number): number => {
      const bad = pathInit(nd, nd.name.name)
      if (bad) return bad
      const result = linkPathWalk(nd, nd.name.name)
      if (result < 0) nd.drop()
      return result
    },
  )

  /** The directory of a name and its last component, not looked up: nd.path is held on success (returned), else negative errno. */
  const parentOf = (dfd: number, name: Filename): Nameidata | number => {
    const nd = new Nameidata(vfs, dfd, name, LOOKUP.parent)
    const result = pathParentat(nd, LOOKUP.parent, 0)
    return result < 0 ? result : nd
  }

  const dLookup = vfs.declare(
    'struct dentry *d_lookup(const struct dentry *parent, const struct qstr *name)',
    (parent: Dentry, _qstr: number, nd: Nameidata): number => {
      const dentry = parent.children.get(nd.last)
      nd.found = dentry
      dentry?.hold()
      return dentry?.at ?? 0
    },
  )

  const dAlloc = vfs.declare(
    'struct dentry *d_alloc(struct dentry *parent, const struct qstr *name)',
    (parent: Dentry, _qstr: number, name: string): number => {
      allocated = vfs.newDentry(parent, name)
      allocated.volatile = true
      return allocated.at
    },
  )

  /** lookup_one_qstr_excl(): the held dentry (maybe negative) of nd.last in its directory, or negative errno. */
  const lookupExcl = (nd: Nameidata): Dentry | number => {
    const parent = nd.path.dentry
    dLookup(parent, nd.lastAt, nd)
    if (nd.found) return nd.found
    const dir = parent.inode!
    if (dir.nlink === 0) return -ERRNO.ENOENT
    dAlloc(parent, nd.lastAt, nd.last)
    const dentry = allocated!
    const failed = dir.iop.lookup?.(dir, dentry) ?? -ERRNO.ENOTDIR
    if (failed === 0) return dentry
    dentry.put()
    return failed
  }

  let created: { nd: Nameidata; dentry: Dentry } | undefined
  const filenameCreateBody = vfs.declare(
    'struct dentry *filename_create(int dfd, struct filename *name, struct path *path, unsigned int lookup_flags)',
    (dfd: number, name: Filename, _path: number, flags: number): number => {
      const nd = parentOf(dfd, name)
      if (typeof nd === 'number') return nd
      if (nd.lastType !== LAST.norm) {
        nd.drop()
        return -ERRNO.EEXIST
      }
      const dentry = lookupExcl(nd)
      if (typeof dentry === 'number') {
        nd.drop()
        return dentry
      }
      let error = 0
      if (dentry.inode) error = -ERRNO.EEXIST
      // `touch a/` names no file; only directories are made with a slash behind.
      else if (nd.trailingSlash && !(flags & LOOKUP.directory)) error = -ERRNO.ENOENT
      if (error) {
        dentry.put()
        nd.drop()
        return error
      }
      created = { nd, dentry }
      return dentry.at
    },
  )
  /** Where something new is to be made: directory (nd.path) and negative dentry, both held; -EEXIST when the name is taken. */
  const filenameCreate = (dfd: number, name: Filename, flags: number): { nd: Nameidata; dentry: Dentry } | number => {
    const result = filenameCreateBody(dfd, name, 0, flags)
    return result < 0 ? result : created!
  }

  // biome-ignore format: one name a word
  return {
    getname, putname, kernelName, pathInit, linkPathWalk, lookupFast, lookupReal, stepInto, handleDots, walkComponent, filenameLookup,
    lookupName, userPathAt, parentOf, lookupExcl, filenameCreate,
  }
}

export const WALK_TRAILING = 1
export const WALK_MORE = 2
export const WALK_NOFOLLOW = 4

/** A struct path in the caller's stack frame that a lookup fills. */
export class PathOut {
  readonly at: number
  path: Path | undefined
  readonly #vfs: Vfs

  constructor(vfs: Vfs) {
    this.#vfs = vfs
    vfs.k.current.sp -= 16
    this.at = vfs.k.current.sp
  }

  set(path: Path): void {
    this.path = path
    writePath(this.#vfs.context, this.at, path)
  }
}
