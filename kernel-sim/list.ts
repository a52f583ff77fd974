// Linux's doubly linked lists in kernel memory (include/linux/list.h): struct list_head { next, prev }, circular, with a head.

import type { KernelMemory } from '../base/memory.ts'

/** An empty list (or a node that is in none). */
export function listInit(mem: KernelMemory, at: number): void {
  mem.writePtr(at, at)
  mem.writePtr(at + 8, at)
}

export function listAddTail(mem: KernelMemory, node: number, head: number): void {
  const last = mem.readPtr(head + 8)
  mem.writePtr(node, head)
  mem.writePtr(node + 8, last)
  mem.writePtr(last, node)
  mem.writePtr(head + 8, node)
}

/** Takes the node out of its list and leaves it empty (list_del_init). */
export function listDelete(mem: KernelMemory, node: number): void {
  const next = mem.readPtr(node)
  if (next === 0) return
  const prev = mem.readPtr(node + 8)
  mem.writePtr(next + 8, prev)
  mem.writePtr(prev, next)
  listInit(mem, node)
}

/** Offsets of the objects on the list, whose node is `member` bytes into each. Taken at once: the list may change while one walks. */
export function listObjects(mem: KernelMemory, head: number, member: number): number[] {
  const objects: number[] = []
  for (let node = mem.readPtr(head); node !== head; node = mem.readPtr(node)) objects.push(node - member)
  return objects
}

/** hlist: head { first }, node { next, pprev }. */
export function hlistAdd(mem: KernelMemory, node: number, head: number): void {
  const first = mem.readPtr(head)
  mem.writePtr(node, first)
  if (first !== 0) mem.writePtr(first + 8, node)
  mem.writePtr(head, node)
  mem.writePtr(node + 8, head)
}

export function hlistDelete(mem: KernelMemory, node: number): void {
  const pprev = mem.readPtr(node + 8)
  if (pprev === 0) return
  const next = mem.readPtr(node)
  mem.writePtr(pprev, next)
  if (next !== 0) mem.writePtr(next + 8, pprev)
  mem.writePtr(node, 0)
  mem.writePtr(node + 8, 0)
}
