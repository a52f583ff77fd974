// A user side for tests: a generator of system calls by name with plain numbers, without user memory.

import type { Kernel } from '../../kernel-sim/kernel.ts'
import type { UserSide, UserStep } from '../../kernel-sim/user/user-side.ts'

/** `['getpid']`, `['fork', childBody]`, or nanoseconds to compute for. What comes back is the call's result. */
export type ScriptStep = readonly [call: string, ...args: (number | ScriptBody)[]] | number
export type ScriptBody = () => Generator<ScriptStep, number | undefined, number>

export function script(k: Kernel, body: ScriptBody, handlers: Record<number, ScriptBody> = {}): UserSide {
  const stack = [body()]
  let sent = 0
  let child: ScriptBody = body
  const syscall = (name: string, ...args: number[]): UserStep => {
    while (args.length < 6) args.push(0)
    return { kind: 'syscall', nr: k.syscalls.numberOf(name), args }
  }
  return {
    next() {
      const { value, done } = stack.at(-1)!.next(sent)
      if (done) {
        stack.pop()
        return stack.length === 0 ? syscall('exit_group', (value as number | undefined) ?? 0) : syscall('rt_sigreturn')
      }
      if (typeof value === 'number') return { kind: 'run', ns: value }
      const [name, ...args] = value as [string, ...(number | ScriptBody)[]]
      child = args.find((arg) => typeof arg === 'function') ?? child
      return syscall(name, ...args.filter((arg) => typeof arg === 'number'))
    },
    returned: (_task, result) => {
      sent = result
    },
    handleSignal: (_task, signal) => {
      stack.push(handlers[signal]!())
    },
    executed: () => {},
    forked: () => script(k, child, handlers),
    stack: () => [0x401000],
  }
}
