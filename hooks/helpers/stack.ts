// Stacks: into a stack trace map by id, or into the program's memory. Kernel stacks begin where the program fired (the probed
// function, the function that announces); user stacks are the current task's.

import { ERRNO } from '../../base/errno.ts'
import { TEXT_HI } from '../../base/memory.ts'
import { flagsOf } from '../../ebpf-vm/helpers/impl/bound.ts'
import { STACK_BYTES, type Task } from '../../kernel-sim/task/task.ts'
import { kernelStack, MAX_STACK_DEPTH } from '../context/stack.ts'
import { STACK_FLAG, type StackTraceMap } from '../maps/stack-trace.ts'
import { type HelperFamily, runContextOf } from './family.ts'

const { skipMask, user, fastCompare, reuse, buildId } = STACK_FLAG

export const stackHelpers: HelperFamily = ({ kernel, machine }) => {
  const { mem, scratch } = kernel

  /** Write up to `max` u64 addresses to `at`, `skip` innermost ones left out; the number there is, `skip` included. */
  const walk = (task: Task, isUser: boolean, at: number, skip: number, max: number): number => {
    const depth = Math.min(max + skip, MAX_STACK_DEPTH)
    if (isUser) {
      const stack = task.userStack().slice(0, depth)
      for (let i = skip; i < stack.length; i++) mem.writeInt64(at + (i - skip) * 8, stack[i]!)
      return stack.length
    }
    const where = task === kernel.current ? runContextOf(machine)?.where : undefined
    const stack = where
      ? kernelStack(mem, where, task.stack, task.stack + STACK_BYTES, depth)
      : task.kernelStack().slice(0, depth)
    for (let i = skip; i < stack.length; i++) {
      mem.dv.setInt32(at + (i - skip) * 8, stack[i]!, true)
      mem.dv.setInt32(at + (i - skip) * 8 + 4, TEXT_HI, true)
    }
    return stack.length
  }

  /** __bpf_get_stack(): fill `size` bytes at `to`; bytes written or a negative errno with the rest zeroed. */
  const fill = (task: Task, to: number, size: number, flags: number): number => {
    mem.u8.fill(0, to, to + size)
    if (flags & ~(skipMask | user | buildId)) return -ERRNO.EINVAL
    // Build ids would need the files that are mapped; user stacks here are addresses only.
    if (flags & buildId || size % 8) return -ERRNO.EINVAL
    const isUser = (flags & user) !== 0
    if (isUser && task !== kernel.current) return -ERRNO.EOPNOTSUPP
    const skip = flags & skipMask
    const found = walk(task, isUser, to, skip, size / 8)
    if (found < skip) return -ERRNO.EFAULT
    return Math.min(found - skip, size / 8) * 8
  }

  return [
    {
      id: 27,
      name: 'get_stackid',
      takes: ['ptr', 'ptr', 'u64'],
      gives: 's32',
      run: (_ctx, map, lo, hi) => {
        const flags = flagsOf(lo, hi)
        if (flags & ~(skipMask | user | fastCompare | reuse)) return -ERRNO.EINVAL
        const stacks = machine.mapAt(map) as StackTraceMap
        const skip = flags & skipMask
        const mark = scratch.top
        const at = scratch.take(MAX_STACK_DEPTH * 8)
        const found = walk(kernel.current, (flags & user) !== 0, at, skip, stacks.maxDepth)
        const id = found <= skip ? -ERRNO.EFAULT : stacks.enter(at, found - skip, flags)
        scratch.top = mark
        return id
      },
    },
    {
      id: 67,
      name: 'get_stack',
      partial: 'no build ids',
      takes: ['ptr', 'ptr', 'u32', 'u64'],
      gives: 's32',
      run: (_ctx, to, size, lo, hi) => fill(kernel.current, to, size, flagsOf(lo, hi)),
    },
    {
      id: 141,
      name: 'get_task_stack',
      takes: ['ptr', 'ptr', 'u32', 'u64'],
      gives: 's32',
      run: (task, to, size, lo, hi) => fill(kernel.tasks.at(task), to, size, flagsOf(lo, hi)),
    },
  ]
}
