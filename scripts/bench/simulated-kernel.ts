// What the kernel's own machinery costs on this computer: a tracepoint that nobody listens to, the frame of a traceable function, a
// system call, booting, and the memory of a kernel that idles.   npm run bench:kernel

import { boot } from '../../kernel-sim/boot.ts'
import type { Kernel } from '../../kernel-sim/kernel.ts'
import { profileFor } from '../../kernel-sim/profiles/profile.ts'
import type { UserSide, UserStep } from '../../kernel-sim/user/user-side.ts'

const ROUNDS = 7

/** Nanoseconds of CPU time, so that other work on the computer counts less. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Median nanoseconds that one of `count` turns takes. */
function measure(count: number, turns: () => unknown): number {
  const rounds: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const start = cpuNs()
    turns()
    rounds.push((cpuNs() - start) / count)
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]!
}

/** A process that makes one call again and again. */
function caller(k: Kernel, call: string, times: number): UserSide {
  const step: UserStep = { kind: 'syscall', nr: k.syscalls.numberOf(call), args: [0, 0, 0, 0, 0, 0] }
  const exit: UserStep = { kind: 'syscall', nr: k.syscalls.numberOf('exit_group'), args: [0, 0, 0, 0, 0, 0] }
  let left = times
  const user: UserSide = {
    next: () => (left-- > 0 ? step : exit),
    returned: () => {},
    handleSignal: () => {},
    executed: () => {},
    forked: () => user,
    stack: () => [],
  }
  return user
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(52)} ${value.toFixed(value < 100 ? 2 : 0).padStart(10)} ${unit}`)
}

const symbols = ['bench_plain', 'bench_outer'].map((name) => ({ name, aliasOf: undefined }))
const profile = profileFor()
const TURNS = 5_000_000
const CALLS = 200_000

// Booting, cold and then warm, and what a machine that idles holds.
const empty = process.memoryUsage.rss()
const boots: number[] = []
for (let i = 0; i < ROUNDS; i++) {
  const start = cpuNs()
  boot({ profile: profileFor() })
  boots.push((cpuNs() - start) / 1e6)
}
report('boot, first', boots[0]!, 'ms')
report('boot, median of the others', boots.slice(1).sort((a, b) => a - b)[ROUNDS >> 1]!, 'ms')
const one = boot({ profile: { ...profile, symbols: [...profile.symbols, ...symbols] } })
report('kernel memory in use, idle', one.alloc.usedBytes / 1e6, 'MB')
report(
  `resident memory of ${ROUNDS + 1} kernels above an empty process`,
  (process.memoryUsage.rss() - empty) / 1e6,
  'MB',
)

// A tracepoint and a function's frame, as the loop's own cost plus theirs.
const { schedWakeup } = one.trace
const { init } = one
let sink = 0
const loop = measure(TURNS, () => {
  for (let i = 0; i < TURNS; i++) sink = (sink + i) | 0
})
const disarmed = measure(TURNS, () => {
  for (let i = 0; i < TURNS; i++) {
    sink = (sink + i) | 0
    if (schedWakeup.armed) schedWakeup.emit(init)
  }
})
report('disarmed tracepoint', disarmed - loop, 'ns')
const plain = one.functions.declare('int bench_plain(int a, int b)', (a: number, b: number) => (a + b) | 0)
const frame = measure(TURNS, () => {
  for (let i = 0; i < TURNS; i++) sink = plain(sink, i)
})
report('traceable function, nobody listens', frame - loop, 'ns')
const detach = one.functions.get('bench_plain')!.attach({ entry: () => {}, exit: () => {} })
const probed = measure(CALLS, () => {
  for (let i = 0; i < CALLS; i++) sink = plain(sink, i)
})
detach()
report('traceable function, one listener', probed, 'ns')
const armed = schedWakeup.attachRecord(() => {})
const emitted = measure(CALLS, () => {
  for (let i = 0; i < CALLS; i++) if (schedWakeup.armed) schedWakeup.emit(init)
})
armed()
report('tracepoint, one record', emitted, 'ns')

// System calls that do next to nothing.
for (const [what, listen] of [
  ['getpid(), nobody listens', false],
  ['getpid(), raw_syscalls:sys_enter has a listener', true],
] as const) {
  const off = listen ? one.trace.sysEnter.attachRecord(() => {}) : undefined
  const ns = measure(CALLS, () => {
    one.spawn({ comm: 'bench', user: caller(one, 'getpid', CALLS) })
    one.run()
  })
  off?.()
  report(what, ns, 'ns')
  report('  a second', 1e9 / ns, 'calls')
}
if (sink === 0.5) console.log(sink)
