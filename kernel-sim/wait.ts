// How kernel code sleeps. A function that may sleep returns its value, or a generator only when it really waits: a value costs
// nothing, a generator is driven by the scheduler. A generator yields once for each time its task leaves the CPU (or holds it until
// a later instant) and is resumed when the task runs again.
// What a traceable function returns is a number or nothing, never an object, so that `isWait` is one typeof.

/** Kernel code that sleeps on its way to a T. */
export type Wait<T> = Generator<undefined, T, undefined>

/** A value now, or kernel code that has to sleep for it. */
export type MaybeWait<T> = T | Wait<T>

/** True when `value` has to be waited for: `if (isWait(r)) r = yield* r`. */
export function isWait<T extends number | undefined>(value: MaybeWait<T>): value is Wait<T> {
  return typeof value === 'object'
}

/** `next(value)`, at once if `value` is there, else after waiting for it. */
export function after<T extends number | undefined, U>(
  value: MaybeWait<T>,
  next: (value: T) => MaybeWait<U>,
): MaybeWait<U> {
  return isWait(value) ? afterWait(value, next) : next(value)
}

function* afterWait<T extends number | undefined, U>(wait: Wait<T>, next: (value: T) => MaybeWait<U>): Wait<U> {
  const result = next(yield* wait)
  return typeof result === 'object' && result !== null ? yield* result as Wait<U> : (result as U)
}
