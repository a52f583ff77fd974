// A session: a booted kernel with its BPF side, something that happens on it, and a loader. Time goes on only while someone awaits it -
// run(), a reader's next record - in slices between which the host gets a turn.
//
// The loader is a simulated task of its own, `bpfsim`, that holds every descriptor; its own work takes no virtual time.

import { EventEmitter } from 'eventemitter3'
import { UserError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { EngineName } from '../ebpf-vm/machine.ts'
import { BpfHost } from '../hooks/host.ts'
import { toolchainWith } from '../hooks/toolchain.ts'
import type { PrintkLine } from '../hooks/trace-pipe.ts'
import { boot as bootKernel } from '../kernel-sim/boot.ts'
import type { Kernel } from '../kernel-sim/kernel.ts'
import { type Profile, profileFor, profileFromBtf } from '../kernel-sim/profiles/profile.ts'
import type { Workload } from '../kernel-sim/user/api.ts'
import type { UserSide } from '../kernel-sim/user/user-side.ts'
import { type Activity, activityOf } from './activity.ts'
import { Calls } from './loader/calls.ts'
import { VerifierError } from './loader/errors.ts'
import { KCONFIG } from './loader/kconfig.ts'
import { type LoadOptions, loadObject } from './loader/load.ts'
import type { LoadedObject } from './loader/object.ts'
import type { Scheduler } from './loader/scheduler.ts'
import type { LinkTarget } from './object/externs-resolve.ts'
import { setVariable } from './object/set-variable.ts'
import type { ObjectShape, ObjectSpec } from './object/spec.ts'
import { startProcess } from './process.ts'
import { runFlags } from './run-flags.ts'

export interface BootOptions {
  /** 1 to 64; default 2. */
  readonly cpus?: number
  /** The same seed gives the same run; default 1. */
  readonly seed?: number
  /** What happens: a built-in workload's name, a workload, or an activity. Default: nothing. */
  readonly workload?: string | Workload | Activity
  /** A committed profile by its name, `6.12` (default) or `6.1`; or any profile, before `btf`. */
  readonly kernel?: string | Profile
  /** A real kernel's BTF (/sys/kernel/btf/vmlinux) to boot on instead. */
  readonly btf?: Uint8Array
  /** Virtual nanoseconds after which a run ends; default: when nothing more happens. */
  readonly forNs?: number
  /** Bytes of physical memory; default 1 GiB. */
  readonly memoryBytes?: number
  readonly log?: Logger
  /** What runs programs: the compiler `jit` (default), or `interpreter`, the reference, which checks every access. */
  readonly engine?: EngineName
  /** Called between slices with the virtual time; the next slice waits for it (wall-clock speed, progress). */
  readonly pace?: (virtualNs: number) => Promise<void> | void
}

export interface RunOptions {
  /** Virtual nanoseconds from now; default: to the end of the run. */
  readonly forNs?: number
}

/** Slow notices, delivered between slices. */
export interface SessionEvents {
  /** A line of bpf_trace_printk(), as trace_pipe shows it. */
  printk: [line: PrintkLine]
  loaded: [object: LoadedObject]
  refused: [error: VerifierError]
  end: []
}

/** Steps of the kernel between looks at whether something was delivered, and until the host gets a turn. */
const CHUNK_STEPS = 500
const TURN_STEPS = 20_000
/** With a pace, a slice is no longer than this. */
const PACED_NS = 10_000_000

export class Session extends EventEmitter<SessionEvents> implements Disposable {
  readonly kernel: Kernel
  readonly host: BpfHost
  readonly activity: Activity | undefined
  readonly seed: number
  /** Virtual time at which the kernel had booted. */
  readonly startNs: number
  readonly #calls: Calls
  readonly #scheduler: Scheduler
  readonly #target: LinkTarget
  readonly #pace: BootOptions['pace']
  readonly #endNs: number
  readonly #set: ReadonlyMap<string, string>
  readonly #objects: LoadedObject[] = []
  readonly #atEnd: (() => void)[] = []
  #slice: Promise<boolean> | undefined
  #delivered = false
  #stopped = false
  #over = false
  #sinceTurn = 0

  constructor(options: BootOptions, set: ReadonlyMap<string, string> = new Map()) {
    super()
    this.#set = set
    const profile = profileOf(options)
    this.seed = options.seed ?? 1
    this.kernel = bootKernel({
      profile,
      seed: this.seed,
      ...(options.cpus !== undefined && { cpus: checkCpus(options.cpus) }),
      ...(options.memoryBytes !== undefined && { memoryBytes: options.memoryBytes }),
      ...(options.log && { log: options.log }),
    })
    this.host = new BpfHost(this.kernel, { toolchain: toolchainWith(options.engine ?? 'jit') })
    this.#pace = options.pace
    this.startNs = this.kernel.driver.nowNs
    this.#endNs = this.startNs + (options.forNs ?? Number.POSITIVE_INFINITY)
    this.#calls = new Calls(this.host, startProcess(this.kernel, { comm: 'bpfsim', user: () => loader }))
    this.#target = linkTarget(this.host, profile)
    this.activity = options.workload === undefined ? undefined : activityOf(options.workload)
    this.activity?.start(this.kernel)
    const { kernel } = this
    this.#scheduler = {
      get nowNs() {
        return kernel.nowNs
      },
      at: (timeNs, run) => void kernel.events.at(timeNs, 0, run),
      interrupt: () => {
        this.#delivered = true
      },
      advance: () => this.#advance(this.#endNs),
      onEnd: (run) => void this.#atEnd.push(run),
    }
  }

  /** Virtual nanoseconds since boot. */
  get nowNs(): number {
    return this.kernel.driver.nowNs
  }

  /** Name of a system call by its number: `openat` for 257. */
  syscallName(number: number): string {
    return this.kernel.profile.syscalls.find((each) => each.number === number)?.call ?? `syscall_${number}`
  }

  /** Nothing more will happen. */
  get over(): boolean {
    return this.#over
  }

  /**
   * Loads an object: its maps are created, its programs verified and compiled. Throws VerifierError for a refused program (`.errno`,
   * `.log`), UserError for whatever else is wrong.
   */
  load<T extends ObjectShape>(spec: ObjectSpec<T>, options: LoadOptions = {}): LoadedObject<T> {
    for (const [name, text] of this.#set) if (name in spec.variables) setVariable(spec, name, text)
    try {
      const load = () => loadObject(this.#calls, this.#scheduler, this.#target, spec, options)
      const object = this.kernel.as(this.#calls.task, load)
      this.#objects.push(object as LoadedObject<ObjectShape> as LoadedObject)
      for (const error of object.refused) this.emit('refused', error)
      this.emit('loaded', object as LoadedObject<ObjectShape> as LoadedObject)
      return object
    } catch (error) {
      if (error instanceof VerifierError) this.emit('refused', error)
      throw error
    }
  }

  /** Runs to the end, or for so long; the host gets turns meanwhile. */
  async run(options: RunOptions = {}): Promise<void> {
    const untilNs = this.#until(options)
    while (await this.#advance(untilNs));
  }

  /** The same without giving the host a turn, for tests: no pace, no Ctrl-C. */
  runSync(options: RunOptions = {}): void {
    const untilNs = this.#until(options)
    while (this.#chunk(untilNs));
  }

  /** One slice; false when the run is over. For whoever takes records between slices. */
  advance(): Promise<boolean> {
    return this.#advance(this.#endNs)
  }

  /** Ends the run at the next slice, as Ctrl-C does: buffers are drained, readers end. */
  stop(): void {
    this.#stopped = true
  }

  /** Detaches and unloads everything. */
  [Symbol.dispose](): void {
    for (const object of this.#objects) object.close()
    this.removeAllListeners()
  }

  #until({ forNs }: RunOptions): number {
    return forNs === undefined ? this.#endNs : Math.min(this.#endNs, this.nowNs + forNs)
  }

  /** One slice at a time, whoever asks for it. */
  #advance(untilNs: number): Promise<boolean> {
    this.#slice ??= this.#runSlice(untilNs).finally(() => {
      this.#slice = undefined
    })
    return this.#slice
  }

  async #runSlice(untilNs: number): Promise<boolean> {
    this.#delivered = false
    const pausedNs = this.#pace ? Math.min(untilNs, this.nowNs + PACED_NS) : untilNs
    let more: boolean
    do {
      more = this.#chunk(untilNs, pausedNs)
      this.#sinceTurn += CHUNK_STEPS
    } while (more && !this.#delivered && this.#sinceTurn < TURN_STEPS && this.nowNs < pausedNs)
    await this.#pace?.(this.nowNs)
    if (this.#sinceTurn >= TURN_STEPS) {
      this.#sinceTurn = 0
      await new Promise((turn) => setTimeout(turn, 0))
    }
    return more
  }

  /** A few steps. False when the run, or the part of it that was asked for, is over. */
  #chunk(untilNs: number, pausedNs: number = untilNs): boolean {
    if (this.#over) return false
    const end = this.#stopped ? 'idle' : this.kernel.run({ untilNs: pausedNs, maxSteps: CHUNK_STEPS })
    for (const line of this.host.tracePipe.take()) this.emit('printk', line)
    if (end === 'steps' || (end === 'time' && pausedNs < untilNs)) return true
    if (end === 'idle' || untilNs >= this.#endNs) this.#end()
    return false
  }

  #end(): void {
    this.#over = true
    for (const run of this.#atEnd) run()
    this.emit('end')
  }
}

/**
 * Switches a machine on. Nothing runs until it is awaited: load and attach first, then `await kernel.run()` or iterate a reader. Flags
 * of the `bpfsim run` that runs the script are laid over these options.
 */
export function boot(options: BootOptions = {}): Session {
  const flags = runFlags()
  const session = new Session({ ...options, ...flags?.options }, flags?.set)
  flags?.onBoot?.(session)
  return session
}

function profileOf({ kernel, btf }: BootOptions): Profile {
  if (typeof kernel === 'object') return kernel
  return btf ? profileFromBtf(btf) : profileFor(kernel)
}

function checkCpus(cpus: number): number {
  if (Number.isInteger(cpus) && cpus >= 1 && cpus <= 64) return cpus
  throw new UserError(`${cpus} CPUs: there can be 1 to 64`)
}

/** The loader waits for ever: whatever it does is done from outside. */
const loader: UserSide = {
  next: () => ({ kind: 'idle', untilNs: Number.POSITIVE_INFINITY }),
  returned: () => {},
  handleSignal: () => {},
  executed: () => {},
  forked: () => loader,
  stack: () => [],
}

function linkTarget(host: BpfHost, profile: Profile): LinkTarget {
  // Not the release: Debian's `6.1.0-56-amd64` is 6.1.192, which libbpf reads off the rest of uname.
  const { major, minor, patch } = profile.version
  return {
    release: `${major}.${minor}.${patch}`,
    btf: profile.btf,
    modules: [],
    config: KCONFIG,
    symbolAddress: (name) => host.symbolAddress(name),
  }
}
