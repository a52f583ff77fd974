// The cgroup (v2) hierarchy as far as tasks are members of it: struct cgroup with its kernfs id and ancestors, and the css_set that a
// task points to. No controllers: nothing is limited or counted.

import type { Kernel } from '../kernel.ts'
import { listAddTail, listDelete, listInit } from '../list.ts'
import type { Task } from './task.ts'

export interface Cgroup {
  /** Offset of struct cgroup. */
  readonly at: number
  readonly parent: Cgroup | undefined
  readonly name: string
  readonly children: Map<string, Cgroup>
  /** What bpf_get_current_cgroup_id() returns: the inode number of its directory. */
  readonly id: number
  readonly level: number
  /** Offset of the css_set of tasks in it. */
  readonly cssSet: number
}

export class Cgroups {
  readonly #k: Kernel
  readonly root: Cgroup
  readonly #byCssSet = new Map<number, Cgroup>()
  #nextId = 1

  constructor(k: Kernel) {
    this.#k = k
    this.root = this.#make('', undefined)
  }

  /** The cgroup at a path below the root, made where it is missing: `/system.slice/web`. */
  ensure(path: string): Cgroup {
    let group = this.root
    for (const name of path.split('/')) {
      if (name === '') continue
      let child = group.children.get(name)
      if (!child) {
        child = this.#make(name, group)
        group.children.set(name, child)
      }
      group = child
    }
    return group
  }

  /** `/` for the root. */
  path(group: Cgroup): string {
    const names: string[] = []
    for (let g = group; g.parent; g = g.parent) names.unshift(g.name)
    return `/${names.join('/')}`
  }

  of(task: Task): Cgroup {
    const { mem, layout } = this.#k
    return this.#byCssSet.get(mem.readPtr(task.at + layout.task.cgroups)) ?? this.root
  }

  /** Makes the task a member; it leaves where it was. */
  attach(task: Task, group: Cgroup): void {
    const { mem, layout } = this.#k
    this.detach(task)
    mem.writePtr(task.at + layout.task.cgroups, group.cssSet)
    listAddTail(mem, task.at + layout.task.cgList, group.cssSet + layout.cssSet.tasks)
    mem.i32[(group.cssSet + layout.cssSet.nrTasks) >> 2]!++
  }

  detach(task: Task): void {
    const { mem, layout } = this.#k
    const node = task.at + layout.task.cgList
    if (mem.readPtr(node) === 0 || mem.readPtr(node) === node) return
    listDelete(mem, node)
    mem.i32[(mem.readPtr(task.at + layout.task.cgroups) + layout.cssSet.nrTasks) >> 2]!--
  }

  #make(name: string, parent: Cgroup | undefined): Cgroup {
    const { mem, layout, alloc } = this.#k
    const level = parent ? parent.level + 1 : 0
    const id = this.#nextId++
    const at = alloc.alloc(layout.size.cgroup + (level + 1) * 8)
    const node = alloc.alloc(layout.size.kernfsNode)
    const text = alloc.alloc(Math.max(name.length + 1, 8))
    mem.writeCstring(text, name, name.length + 1)
    mem.writePtr(node + layout.kernfsNode.name, text)
    mem.writeInt64(node + layout.kernfsNode.id, id)
    mem.writePtr(at + layout.cgroup.kn, node)
    mem.i32[(at + layout.cgroup.level) >> 2] = level
    if (layout.cgroup.ancestors >= 0) {
      for (let i = 0; i < level; i++) {
        mem.writePtr(at + layout.cgroup.ancestors + i * 8, mem.readPtr(parent!.at + layout.cgroup.ancestors + i * 8))
      }
      mem.writePtr(at + layout.cgroup.ancestors + level * 8, at)
    }
    if (parent) mem.writePtr(node + layout.kernfsNode.parent, mem.readPtr(parent.at + layout.cgroup.kn))
    const cssSet = alloc.alloc(layout.size.cssSet)
    mem.writePtr(cssSet + layout.cssSet.dflCgrp, at)
    mem.writePtr(cssSet + layout.cssSet.domCset, cssSet)
    mem.i32[(cssSet + layout.cssSet.refcount) >> 2] = 1
    listInit(mem, cssSet + layout.cssSet.tasks)
    const group: Cgroup = { at, parent, name, children: new Map(), id, level, cssSet }
    this.#byCssSet.set(cssSet, group)
    return group
  }
}
