// The end of a path: nothing may be held, and the program's return value must be one that its type allows.

import { ATTACH_TYPE, PROG_TYPE } from '../uapi.ts'
import { isSecret } from './access/mem.ts'
import { isWithin, leaveFrame, printOutOfRange } from './calls/frames.ts'
import { readReg } from './check-reg.ts'
import type { Env } from './env.ts'
import { markPrecise } from './precision.ts'
import { SCALAR, typeName } from './reg.ts'
import type { RetRange } from './state.ts'

/** References, locks and sections that are still held where they must not be. */
export function checkLeaks(env: Env, exception: boolean, checkLocks: boolean, prefix: string): void {
  const { state } = env
  if (checkLocks && state.activeLocks) env.fail('EINVAL', `${prefix} cannot be used inside bpf_spin_lock-ed region`)
  if (exception || state.curframe === 0) {
    let leaks = false
    for (const ref of state.refs) {
      if (ref.kind !== 'ptr') continue
      env.print(`Unreleased reference id=${ref.id} alloc_insn=${ref.insn}\n`)
      leaks = true
    }
    if (leaks) env.fail('EINVAL', `${prefix} would lead to reference leak`)
  }
  if (checkLocks && state.irqId) env.fail('EINVAL', `${prefix} cannot be used inside bpf_local_irq_save-ed region`)
  if (checkLocks && state.rcuLocks) env.fail('EINVAL', `${prefix} cannot be used inside bpf_rcu_read_lock-ed region`)
  if (checkLocks && state.preemptLocks)
    env.fail('EINVAL', `${prefix} cannot be used inside bpf_preempt_disable-ed region`)
}

/** True: the path ends here. False: it goes on in the caller, at env.insnIdx. */
export function processExit(env: Env, exception: boolean): boolean {
  const prefix = exception ? 'bpf_throw' : 'BPF_EXIT instruction in main prog'
  checkLeaks(env, exception, exception || env.state.curframe === 0, prefix)
  if (exception) return true
  if (env.state.curframe > 0) {
    leaveFrame(env)
    return false
  }
  checkReturnOf(env, 0, 'R0')
  return true
}

/** r0 (or what bpf_throw() passes in r1) as the program's result. */
export function checkReturnOf(env: Env, regno: number, name: string): void {
  const { frame } = env.state
  const isSubprog = frame.subprog !== 0
  const { type, expectedAttachType } = env.input
  if (!isSubprog || frame.inExceptionCallback) {
    const hookVoid = env.attach.btf !== undefined && env.attachReturnsVoid
    if (type === PROG_TYPE.struct_ops && hookVoid) return
    if (type === PROG_TYPE.lsm && expectedAttachType !== ATTACH_TYPE.lsm_cgroup && hookVoid) return
  }
  readReg(env, regno)
  if (isSecret(env, regno)) env.fail('EACCES', `R${regno} leaks addr as return value`)
  let where = 'At program exit'
  let range: RetRange | undefined
  let is32 = false
  if (frame.inAsyncCallback) {
    where = 'At async callback return'
    range = frame.callbackRange
  } else if (isSubprog && !frame.inExceptionCallback) {
    const reg = frame.regs[regno]!
    if (reg.type !== SCALAR)
      env.fail('EINVAL', `At subprogram exit the register R${regno} is not a scalar value (${typeName(reg.type)})`)
    return
  } else {
    const found = returnRange(env)
    if (!found) return
    range = found.range
    is32 = found.is32
  }
  if (!range) return
  const reg = frame.regs[regno]!
  if (reg.type !== SCALAR)
    env.fail('EINVAL', `${where} the register R${regno} is not a known value (${typeName(reg.type)})`)
  markPrecise(env, regno)
  if (isWithin(range, frame.regs[regno]!, is32)) return
  printOutOfRange(env, frame.regs[regno]!, range, where, name)
  if (type === PROG_TYPE.lsm && expectedAttachType === ATTACH_TYPE.lsm_cgroup && env.attachReturnsVoid)
    env.print("Note, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!\n")
  env.fail('EINVAL')
}

/** Return range of the program type and attach type; undefined when anything goes. */
function returnRange(env: Env): { range: RetRange; is32: boolean } | undefined {
  const { type, expectedAttachType: attach } = env.input
  const within = (min: number, max: number): { range: RetRange; is32: boolean } => ({
    range: { min, max },
    is32: false,
  })
  switch (type) {
    case PROG_TYPE.tracing:
      if (attach === ATTACH_TYPE.trace_fentry || attach === ATTACH_TYPE.trace_fexit) return within(0, 0)
      if (attach === ATTACH_TYPE.trace_iter) return within(0, 1)
      if (attach === ATTACH_TYPE.trace_raw_tp || attach === ATTACH_TYPE.modify_return) return undefined
      return env.fail('ENOTSUPP')
    case PROG_TYPE.raw_tracepoint:
      return env.input.attachBtfId ? within(0, 0) : undefined
    case PROG_TYPE.kprobe:
      return attach === ATTACH_TYPE.trace_kprobe_session ? within(0, 1) : undefined
    case PROG_TYPE.lsm: {
      if (attach === ATTACH_TYPE.lsm_cgroup) return env.attachReturnsVoid ? within(1, 1) : within(0, 1)
      const range = env.lsmReturnRange()
      return range ? { range, is32: true } : undefined
    }
    case PROG_TYPE.struct_ops:
    case PROG_TYPE.ext:
      return undefined
    default: {
      const { returns } = env.type
      if (!returns) return undefined
      const range = returns[String(attach)] ?? returns['default']
      return range ? { range, is32: false } : undefined
    }
  }
}
