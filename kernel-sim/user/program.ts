// The user side of a task that runs a generator (api.ts). Turns what the generator yields into steps for the kernel, and what the
// kernel returns into the generator's values.

import { UserError } from '../../base/errors.ts'
import { Rng } from '../../base/rng.ts'
import type { Task } from '../task/task.ts'
import type { Program, ProgramRun, TaskApi } from './api.ts'
import { UserArena } from './arena.ts'
import { makeSys } from './sys.ts'
import type { UserSide, UserStep } from './user-side.ts'

/** What one `yield` asks for. */
export interface Request {
  /** `openat`, for messages. */
  readonly name: string
  /** Lay out what the call needs and say it. */
  begin(arena: UserArena): UserStep
}

/** A request that was made and not yet yielded, with where it was made. */
interface Made {
  readonly name: string
  readonly site: Error
}

/** What the programs of one workload share. */
export interface ProgramContext {
  readonly workload: string
  readonly seed: number
  readonly programs: Readonly<Record<string, Program>>
  /** Number of a system call by name. */
  syscallNumber(name: string): number
}

const SA_RESTORER = 0x4000000
/** Where handlers lie in a program's text: a number is enough, no code is there. */
const HANDLER_SPACING = 64

export class ProgramUser implements UserSide {
  readonly context: ProgramContext
  readonly #task: Task
  readonly arena: UserArena
  readonly #argv: readonly string[]
  /** The program, and above it handlers of signals that interrupted it. */
  readonly #running: ProgramRun[]
  readonly #handlers: Program[] = []
  #made: Made | undefined
  #sent = 0
  #request: Request | undefined
  /** Bodies that the next fork or execve of this task starts. */
  childBody: Program | undefined
  nextBody: { body: Program; argv: readonly string[] } | undefined
  readonly #rng: Rng

  constructor(context: ProgramContext, task: Task, body: Program, argv: readonly string[]) {
    this.context = context
    this.#task = task
    this.arena = new UserArena(task)
    this.#argv = argv
    this.#rng = new Rng(context.seed, `${context.workload}/${task.pid}`)
    this.#running = [body(this.#api())]
  }

  next(_task: Task): UserStep {
    for (;;) {
      const top = this.#running.at(-1)!
      const { value, done } = top.next(this.#sent)
      this.#sent = 0
      this.#checkYielded()
      if (!done) {
        this.#request = value as Request
        this.arena.reset()
        return this.#request.begin(this.arena)
      }
      this.#running.pop()
      if (this.#running.length === 0) return this.#exit(typeof value === 'number' ? value : 0)
      return this.#syscall('rt_sigreturn')
    }
  }

  returned(_task: Task, result: number): void {
    this.#sent = result
  }

  handleSignal(_task: Task, _signal: number, handler: number): void {
    const body = this.#handlers[Math.floor((handler - this.#handlerBase()) / HANDLER_SPACING)]
    // The interrupted call's result is what the program sees after the handler.
    if (body) this.#running.push(withResult(body(this.#api()), this.#sent))
  }

  executed(_task: Task, _path: string): void {
    const next = this.nextBody!
    this.nextBody = undefined
    this.#running.length = 0
    this.#handlers.length = 0
    this.#running.push(next.body(this.#api(next.argv)))
  }

  forked(_parent: Task, child: Task): UserSide {
    const body = this.childBody!
    this.childBody = undefined
    return new ProgramUser(this.context, child, body, this.#argv)
  }

  /** A generator has no machine stack: the program's entry point stands for it. */
  stack(): readonly number[] {
    const start = this.#textStart()
    return start === 0 ? [] : [start + 0x1000]
  }

  #textStart(): number {
    const { k, mm } = this.#task
    const { startCode } = k.layouts.bind('mm_struct', { startCode: 'start_code' })
    return mm ? k.mem.readInt64(mm.at + startCode) : 0
  }

  /** A number that stands for a signal handler in the program's text, and the bits that go with it. */
  handlerAddress(body: Program): { handler: number; flags: number } {
    this.#handlers.push(body)
    return { handler: this.#handlerBase() + (this.#handlers.length - 1) * HANDLER_SPACING, flags: SA_RESTORER }
  }

  #handlerBase(): number {
    return this.#textStart() + 0x2000
  }

  /** A step that the program made; it must be yielded before the next one is made. */
  made<T>(request: Request, finish: (result: number) => T): { [Symbol.iterator](): Iterator<unknown, T, number> } {
    this.#checkYielded()
    const made = { name: request.name, site: new Error() }
    this.#made = made
    return {
      [Symbol.iterator]: () => {
        if (this.#made === made) this.#made = undefined
        let yielded = false
        return {
          next: (...[result = 0]) => {
            if (yielded) return { done: true, value: finish(result) }
            yielded = true
            return { done: false, value: request }
          },
        }
      },
    }
  }

  #checkYielded(): void {
    const made = this.#made
    if (!made) return
    this.#made = undefined
    const where = callerOf(made.site)
    throw new UserError(
      `workload ${this.context.workload}: ${made.name} was made${where} but never run: write yield* in front of it`,
    )
  }

  #api(argv: readonly string[] = this.#argv): TaskApi {
    return {
      sys: makeSys(this),
      rng: this.#rng,
      argv,
      compute: (ns) => this.made({ name: 'compute', begin: () => ({ kind: 'run', ns }) }, () => undefined),
      touch: (address) =>
        this.made({ name: 'touch', begin: () => ({ kind: 'fault', address, write: true }) }, () => undefined),
    }
  }

  #exit(status: number): UserStep {
    return { kind: 'syscall', nr: this.context.syscallNumber('exit_group'), args: [status, 0, 0, 0, 0, 0] }
  }

  #syscall(name: string): UserStep {
    return { kind: 'syscall', nr: this.context.syscallNumber(name), args: [0, 0, 0, 0, 0, 0] }
  }
}

/** A handler's body that, when it is done, leaves the interrupted call's result for the program. */
function* withResult(body: ProgramRun, result: number): ProgramRun {
  yield* body
  return result
}

/** ` at file:line` of the workload's code in a stack trace: the first frame outside this folder. */
function callerOf(site: Error): string {
  const frames = (site.stack ?? '').split('\n').slice(1)
  const frame = frames.find((line) => !/kernel-sim\/user\/|kernel-sim\\user\\/.test(line))
  const place = /\(?((?:file:\/\/)?[^()\s]+:\d+):\d+\)?$/.exec(frame ?? '')?.[1]
  return place ? ` at ${place.replace(/^file:\/\//, '')}` : ''
}
