// The verifier and the compiler as a running kernel uses them: what the verifier may know is the kernel's BTF and, of helpers and
// kfuncs, those that the host carries out. One that is missing here is unknown, as it is on a kernel that lacks it.

import { BPF_FUNC_TAIL_CALL } from '../ebpf-vm/helper.ts'
import { KFUNCS } from '../ebpf-vm/helpers/kfuncs.ts'
import { HELPERS } from '../ebpf-vm/helpers/protos.ts'
import { interpreter } from '../ebpf-vm/interpreter/interpreter.ts'
import { jit } from '../ebpf-vm/jit/jit.ts'
import type { Engine, EngineName } from '../ebpf-vm/machine.ts'
import { factsFor } from '../ebpf-vm/verifier/facts.ts'
import { verify } from '../ebpf-vm/verifier/verify.ts'
import { ERROR_INJECTION } from './attach/error-injection.ts'
import { HZ } from './helpers/time.ts'
import type { Toolchain } from './host.ts'

const ENGINES: Readonly<Record<EngineName, Engine>> = { jit, interpreter }

export const toolchain: Toolchain = {
  verify,
  engine: jit,
  facts({ kernel, machine }, capabilities) {
    const { helpers, kfuncs } = machine.tables
    return factsFor({
      release: kernel.release,
      btf: kernel.profile.btf,
      capabilities,
      helpers: HELPERS.filter(({ id }) => helpers.has(id) || id === BPF_FUNC_TAIL_CALL),
      kfuncs: KFUNCS.filter(({ name }) => kfuncs.has(name)),
      errorInjection: ERROR_INJECTION,
      cpus: kernel.cpus.length,
      hz: HZ,
    })
  },
}

/** The same verifier; programs run in this engine. */
export const toolchainWith = (engine: EngineName): Toolchain => ({ ...toolchain, engine: ENGINES[engine] })
