// Helpers about the attachment itself: cookie, probed function, its arguments and result, error injection.

import { ERRNO } from '../../base/errno.ts'
import { TEXT_HI } from '../../base/memory.ts'
import { ATTACH_TYPE, PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { PT_REGS } from '../context/pt-regs.ts'
import { type HelperFamily, runContextOf } from './family.ts'

export const attachHelpers: HelperFamily = ({ kernel, machine }) => {
  const { mem } = kernel
  const copyWord = (to: number, from: number): number => {
    mem.i32[to >> 2] = mem.i32[from >> 2]!
    mem.i32[(to >> 2) + 1] = mem.i32[(from >> 2) + 1]!
    return 0
  }
  /** Number of arguments, in front of the context of a tracing program. */
  const count = (ctx: number): number => mem.i32[(ctx - 8) >> 2]!

  return [
    {
      id: 173,
      name: 'get_func_ip',
      takes: ['ptr'],
      gives: 'u64',
      run: () => {
        const ip = runContextOf(machine)?.where.functionIp ?? 0
        return machine.giveU64(ip, ip === 0 ? 0 : TEXT_HI)
      },
    },
    {
      id: 174,
      name: 'get_attach_cookie',
      takes: ['ptr'],
      gives: 'u64',
      run: () => {
        const context = runContextOf(machine)
        return context ? machine.giveU64(context.cookieLo, context.cookieHi) : machine.giveU64(0, 0)
      },
    },
    {
      id: 183,
      name: 'get_func_arg',
      takes: ['ptr', 'u64', 'ptr'],
      gives: 's32',
      run: (ctx, n, hi, to) => (hi !== 0 || n >>> 0 >= count(ctx) ? -ERRNO.EINVAL : copyWord(to, ctx + n * 8)),
    },
    {
      id: 184,
      name: 'get_func_ret',
      takes: ['ptr', 'ptr'],
      gives: 's32',
      run: (ctx, to) => {
        const attach = runContextOf(machine)?.prog.expectedAttachType
        const hasResult = attach === ATTACH_TYPE.trace_fexit || attach === ATTACH_TYPE.modify_return
        return hasResult ? copyWord(to, ctx + count(ctx) * 8) : -ERRNO.EOPNOTSUPP
      },
    },
    { id: 185, name: 'get_func_arg_cnt', takes: ['ptr'], gives: 'u32', run: count },
    {
      id: 58,
      name: 'override_return',
      takes: ['ptr', 'u64'],
      gives: 's32',
      run: (ctx, lo, hi) => {
        const context = runContextOf(machine)
        if (context?.prog.type !== PROG_TYPE.kprobe) return 0
        mem.i32[(ctx + PT_REGS.ax) >> 2] = lo
        mem.i32[((ctx + PT_REGS.ax) >> 2) + 1] = hi
        context.where.call?.override((lo >>> 0) + hi * 0x1_0000_0000)
        return 0
      },
    },
  ]
}
