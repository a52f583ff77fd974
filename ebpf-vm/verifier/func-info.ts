// The program's own function records: names, prototypes and linkage of its subprograms.

import type { Env } from './env.ts'

export function checkFuncInfo(env: Env): void {
  const { btf, funcInfo } = env.input
  if (!btf || !funcInfo?.length) {
    env.subprogs.forEach((subprog, i) => {
      subprog.name = i === 0 ? env.input.name : ''
    })
    return
  }
  if (funcInfo.length !== env.subprogs.length)
    env.fail('EINVAL', "number of funcs in func_info doesn't match number of subprogs")
  funcInfo.forEach((row, i) => {
    const subprog = env.subprogs[i]!
    if (row.insn !== subprog.start)
      env.fail('EINVAL', "func_info BTF section doesn't match subprog layout in BPF program")
    const type = row.type > 0 && row.type < btf.count ? btf.type(row.type) : undefined
    if (type?.kind !== 'func') env.fail('EINVAL', `invalid type id ${row.type} in func info`)
    subprog.typeId = row.type
    subprog.name = type.name
    subprog.isGlobal = i > 0 && type.linkage === 'global'
  })
}
