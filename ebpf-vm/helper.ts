// What a helper's or kfunc's implementation is to the engines. Its prototype, which the verifier checks calls against, is in
// helpers/ (one table for all kernels); the implementation is bound to one machine or kernel.
//
// Both engines call `run` with plain 32-bit words, so that no 64-bit value crosses from WebAssembly to JavaScript.

/**
 * How an argument register reaches `run`:
 *   ptr   one word: the offset of a kernel address (its high word was proved), 0 for NULL
 *   u32   one word: the low half (sizes, flags of 32 bits, fds); s32 the same, signed
 *   u64   two words: low, then high, both int32 (64-bit scalars, flags, addresses of user space or unproved ones)
 *   func  one word: the slot of a BPF function in the machine's table
 */
export type Takes = 'ptr' | 'u32' | 's32' | 'u64' | 'func'

/**
 * What `run` returns and how r0 is made of it:
 *   void  r0 is unspecified (0 here)
 *   s32   sign-extended to 64 bits: counts and negative errno
 *   u32   zero-extended
 *   ptr   an offset, becoming a kernel address; 0 stays NULL
 *   u64   `run` stored the 64-bit result in machine.resultAt (8 bytes of kernel memory)
 */
export type Gives = 'void' | 's32' | 'u32' | 'ptr' | 'u64'

export interface HelperImpl {
  readonly takes: readonly Takes[]
  readonly gives: Gives
  /** Virtual nanoseconds that a call costs its CPU; the same in both engines. */
  readonly costNs?: number
  /** What differs from Linux, for what is only partly there: the public table of helpers shows it. */
  readonly partial?: string
  run(...words: number[]): number
}

/** bpf_tail_call: engines carry it out themselves. */
export const BPF_FUNC_TAIL_CALL = 12
