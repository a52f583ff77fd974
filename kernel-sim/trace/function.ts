// Traceable kernel functions. Each is declared once, with Linux's name and prototype and a body, and is called like any function.
// A call pushes a frame on the current task's kernel stack, listened to or not: the return address, then the caller's frame pointer,
// as code built with frame pointers does, so that the stack of a task that sleeps is there for whoever asks later.
//
//   higher   the caller's frame
//            return address                <- call.sp, at entry
//            caller's frame pointer        <- task.bp while the function runs
//   (armed)  result u64, arguments u64[n]  <- call.args, then n, then the function's address, downwards
//
// A listener hears the calls that begin while it is attached; detached, it hears none of their returns.

import { InternalError } from '../../base/errors.ts'
import { KERNEL_HI, TEXT_HI } from '../../base/memory.ts'
import type { Kernel } from '../kernel.ts'
import type { TextSymbol } from '../profiles/profile.ts'
import type { Task } from '../task/task.ts'
import type { MaybeWait, Wait } from '../wait.ts'
import { type Arg, nameOf, type Prototype, parsePrototype, writeArg } from './prototype.ts'

type Result = number | undefined
type Body = (...args: Arg[]) => MaybeWait<Result>

/** One call of a function, as its listeners see it. Alive until the function has returned. */
export interface FunctionCall {
  readonly fn: KernelFunction
  readonly task: Task
  /** Offset of the arguments, u64 each, followed by a u64 for the result. Before them the count n, before that the address (u64 each). */
  readonly args: number
  /** Kernel stack pointer at entry, an offset: it points to the return address. */
  readonly sp: number
  /** The caller's frame pointer (an offset, 0 at the bottom). */
  readonly bp: number
  /** At exit: what the function returned. */
  readonly result: number
  /** override() was called: the body does not run. */
  readonly overridden: boolean
  /** At entry: do not run the body, return this (fmod_ret, error injection). Later listeners still hear the entry. */
  override(result: number): void
}

export interface CallListener {
  entry?(call: FunctionCall): void
  /** The result is stored behind the arguments. Also for a killed task, and after sleeping. */
  exit?(call: FunctionCall): void
}

export interface FunctionOptions {
  /** Virtual nanoseconds that the function's own code takes. */
  readonly costNs?: number
  /** In the text and on stacks, but not to be probed (`noinstr`, entry code). */
  readonly hidden?: boolean
  /** A symbol that kallsyms has and BTF lacks (`.isra.0`): for kprobes, not for fentry. */
  readonly withoutBtf?: boolean
}

interface Attached {
  readonly listener: CallListener
  readonly rank: number
  active: boolean
}

const NOBODY: readonly Attached[] = []
const DEFAULT_COST_NS = 20
/** Each function's text takes so many bytes. */
export const TEXT_BYTES = 256
/** Low word of the address of `_text`. */
export const TEXT_START = 0x81000000
const FRAME_BYTES = 16

export class KernelFunction {
  readonly name: string
  readonly #declaration: string
  #prototype: Prototype | undefined
  /** Low word (int32) of its text address; the high word is TEXT_HI. */
  readonly address: number
  /** Whether a probe may sit on it. */
  readonly traceable: boolean
  readonly costNs: number
  /** Where in its caller's text the call returns to. */
  readonly callOffset: number
  armed = false
  #attached: readonly Attached[] = NOBODY

  constructor(name: string, declaration: string, address: number, traceable: boolean, options: FunctionOptions) {
    this.name = name
    this.#declaration = declaration
    this.address = address | 0
    this.traceable = traceable && !options.hidden
    this.costNs = options.costNs ?? DEFAULT_COST_NS
    this.callOffset = 0x15 + ((Math.imul(this.address, 0x9e3779b1) >>> 24) % 0xd0)
  }

  /**
   * Lower ranks are called first; within one rank the order is that of attaching, or the newest first. Returns what detaches.
   */
  attach(listener: CallListener, rank = 0, newestFirst = false): () => void {
    if (!this.traceable) throw new InternalError(`${this.name} cannot be probed`)
    const attached: Attached = { listener, rank, active: true }
    const place = this.#attached.findIndex((one) => (newestFirst ? one.rank >= rank : one.rank > rank))
    this.#set(this.#attached.toSpliced(place < 0 ? this.#attached.length : place, 0, attached))
    return () => {
      attached.active = false
      this.#set(this.#attached.filter((one) => one !== attached))
    }
  }

  get prototype(): Prototype {
    return (this.#prototype ??= parsePrototype(this.#declaration))
  }

  /** Snapshot for one call. */
  get attached(): readonly Attached[] {
    return this.#attached
  }

  #set(attached: readonly Attached[]): void {
    this.#attached = attached
    this.armed = attached.length > 0
  }
}

class Call implements FunctionCall {
  readonly fn: KernelFunction
  readonly task: Task
  readonly args: number
  readonly sp: number
  readonly bp: number
  result = 0
  overridden = false
  readonly listeners: readonly Attached[]

  constructor(fn: KernelFunction, task: Task, args: number, sp: number, bp: number) {
    this.fn = fn
    this.task = task
    this.args = args
    this.sp = sp
    this.bp = bp
    this.listeners = fn.attached
  }

  override(result: number): void {
    this.overridden = true
    this.result = result
  }
}

/** The text of one kernel: its functions by name and by address, the modelled ones and those that the profile only knows by name. */
export class FunctionTable {
  readonly #k: Kernel
  readonly #byName = new Map<string, KernelFunction>()
  /** Every text symbol in order of its address; each has TEXT_BYTES of text. */
  readonly #symbols: string[]
  readonly #indexes = new Map<string, number>()
  /** Symbols whose code was declared under another of its names. */
  readonly #declaredAs = new Map<number, string>()
  readonly #known: number

  /** `symbols`: the text symbols of the kernel's version by rising address; an alias stands for the code of another. */
  constructor(k: Kernel, symbols: readonly TextSymbol[]) {
    this.#k = k
    this.#symbols = symbols.filter((symbol) => symbol.aliasOf === undefined).map((symbol) => symbol.name)
    this.#known = this.#symbols.length
    for (let i = 0; i < this.#known; i++) this.#indexes.set(this.#symbols[i]!, i)
    for (const { name, aliasOf } of symbols) {
      if (aliasOf !== undefined && !this.#indexes.has(name)) this.#indexes.set(name, this.#indexes.get(aliasOf) ?? -1)
    }
  }

  /** The modelled function of this name, traceable or not. */
  get(name: string): KernelFunction | undefined {
    return this.#byName.get(name)
  }

  /** Whether the kernel version has a function of this name, for code that differs between versions. */
  known(name: string): boolean {
    const index = this.#indexes.get(name) ?? -1
    return index >= 0 && index < this.#known
  }

  /** Modelled functions in the order they were declared. */
  all(): IterableIterator<KernelFunction> {
    return this.#byName.values()
  }

  /** Every text symbol by rising address, modelled or not. */
  symbols(): readonly string[] {
    return this.#symbols
  }

  /** Low word (int32) of a symbol's address, 0 if there is none of this name. */
  addressOf(symbol: string): number {
    const index = this.#indexes.get(symbol)
    return index === undefined || index < 0 ? 0 : (TEXT_START + index * TEXT_BYTES) | 0
  }

  /** The symbol whose text holds the address with this low word, and how far into it. */
  symbolAt(address: number): { readonly name: string; readonly offset: number } | undefined {
    const into = (address >>> 0) - TEXT_START
    const index = Math.floor(into / TEXT_BYTES)
    const name = this.#declaredAs.get(index) ?? this.#symbols[index]
    return name === undefined ? undefined : { name, offset: into % TEXT_BYTES }
  }

  /** A name in the text without a body: entry code and the like, seen on stacks and in kallsyms only. */
  symbol(prototype: string): KernelFunction {
    return this.#add(nameOf(prototype), prototype, { hidden: true })
  }

  /**
   * Declare a function: `const vfsRead = k.functions.declare('ssize_t vfs_read(struct file *file, ...)', (file, buf, ...) => ...)`.
   * What comes back is called in place of `body`, with the same arguments. `body` may take more than the prototype has (things that
   * C passes otherwise), never optional or rest parameters. It returns a number, or nothing, or waits. A function that the kernel
   * version lacks (as a rule because the compiler inlined it) works all the same, without a frame or a symbol.
   */
  declare<F extends (...args: never[]) => MaybeWait<Result>>(
    prototype: string,
    body: F,
    options: FunctionOptions = {},
  ): F {
    const name = nameOf(prototype)
    if (!options.hidden && !options.withoutBtf && !this.known(name)) return inlined(this.#k, body, options)
    const fn = this.#add(name, prototype, options)
    const wrapper = WRAPPERS[body.length]
    if (!wrapper) throw new InternalError(`${fn.name} takes ${body.length} arguments`)
    return wrapper(this.#k, fn, body as unknown as Body) as unknown as F
  }

  #add(name: string, prototype: string, options: FunctionOptions): KernelFunction {
    if (this.#byName.has(name)) throw new InternalError(`${name} is declared twice`)
    let index = this.#indexes.get(name) ?? -1
    if (index < 0) {
      index = this.#symbols.push(name) - 1
      this.#indexes.set(name, index)
    }
    const fn = new KernelFunction(
      name,
      prototype,
      TEXT_START + index * TEXT_BYTES,
      index < this.#known || options.withoutBtf === true,
      options,
    )
    if (this.#symbols[index] !== name) {
      this.#declaredAs.set(index, name)
      this.#byName.set(this.#symbols[index]!, fn)
    }
    this.#byName.set(name, fn)
    return fn
  }
}

/** A function that this kernel version inlines: no frame and no symbol, but its work takes its time all the same. */
function inlined<F extends (...args: never[]) => MaybeWait<Result>>(k: Kernel, body: F, options: FunctionOptions): F {
  const costNs = options.costNs ?? DEFAULT_COST_NS
  const charged = (...args: never[]): MaybeWait<Result> => {
    k.cpu.nowNs += costNs
    return body(...args)
  }
  return charged as F
}

// One wrapper per number of arguments: spreading them costs more than all the rest of a call.
type Wrapper = (k: Kernel, fn: KernelFunction, body: Body) => Body

/** Functions with more arguments are few and seldom called. */
const MANY: Wrapper =
  (k, fn, body) =>
  (...args) => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, args, body) : body(...args)
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  }

const WRAPPERS: readonly Wrapper[] = [
  (k, fn, body) => () => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, [], body) : body()
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  },
  (k, fn, body) => (a) => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, [a], body) : body(a)
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  },
  (k, fn, body) => (a, b) => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, [a, b], body) : body(a, b)
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  },
  (k, fn, body) => (a, b, c) => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, [a, b, c], body) : body(a, b, c)
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  },
  (k, fn, body) => (a, b, c, d) => {
    const task = k.current
    const sp = task.sp
    const { ip, bp } = task
    push(k, task, fn)
    const result = fn.armed ? armed(k, task, fn, sp, bp, [a, b, c, d], body) : body(a, b, c, d)
    if (typeof result === 'object') return sleeping(task, sp, ip, bp, result)
    task.sp = sp
    task.ip = ip
    task.bp = bp
    return result
  },
  MANY,
  MANY,
  MANY,
  MANY,
  MANY,
  MANY,
]

function push(k: Kernel, task: Task, fn: KernelFunction): void {
  const sp = task.sp - FRAME_BYTES
  const word = sp >> 2
  const i32 = k.mem.i32
  i32[word] = task.bp
  i32[word + 1] = KERNEL_HI
  i32[word + 2] = task.ip + fn.callOffset
  i32[word + 3] = TEXT_HI
  task.sp = sp
  task.bp = sp
  task.ip = fn.address
  k.cpu.nowNs += fn.costNs
}

function* sleeping(task: Task, sp: number, ip: number, bp: number, wait: Wait<Result>): Wait<Result> {
  const result = yield* wait
  task.sp = sp
  task.ip = ip
  task.bp = bp
  return result
}

function armed(
  k: Kernel,
  task: Task,
  fn: KernelFunction,
  sp: number,
  bp: number,
  values: Arg[],
  body: Body,
): MaybeWait<Result> {
  const { params } = fn.prototype
  const count = params.length
  const args = task.sp - (count + 1) * 8
  task.sp = args - 16
  const i32 = k.mem.i32
  i32[(args - 16) >> 2] = fn.address
  i32[(args - 12) >> 2] = TEXT_HI
  i32[(args - 8) >> 2] = count
  i32[(args - 4) >> 2] = 0
  for (let i = 0; i < count; i++) writeArg(k.mem, args + i * 8, params[i]!.kind, values[i])
  i32[(args + count * 8) >> 2] = 0
  i32[(args + count * 8 + 4) >> 2] = 0
  const call = new Call(fn, task, args, sp - 8, bp)
  const { listeners } = call
  for (const one of listeners) if (one.active) one.listener.entry?.(call)
  const result = call.overridden ? call.result : body(...values)
  return typeof result === 'object' ? returnsLater(k, call, result) : returned(k, call, result)
}

function* returnsLater(k: Kernel, call: Call, wait: Wait<Result>): Wait<Result> {
  return returned(k, call, yield* wait)
}

function returned(k: Kernel, call: Call, result: Result): Result {
  const { fn, listeners } = call
  call.result = result ?? 0
  writeArg(k.mem, call.args + fn.prototype.params.length * 8, fn.prototype.returns.kind, result)
  for (const one of listeners) if (one.active) one.listener.exit?.(call)
  return result
}
