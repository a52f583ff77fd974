// What the loader needs of whoever drives virtual time: readers wait for records, the session runs the kernel for them.

export interface Scheduler {
  /** Virtual time, nanoseconds since boot. */
  readonly nowNs: number
  /** Call `run` at that instant; it happens between the steps of the kernel. */
  at(timeNs: number, run: () => void): void
  /** Something was delivered: end the running slice soon. */
  interrupt(): void
  /** Run the kernel on for a slice. False when the run is over: nothing more will happen. */
  advance(): Promise<boolean>
  /** Called once, when the run is over, before advance() says so. */
  onEnd(run: () => void): void
}
