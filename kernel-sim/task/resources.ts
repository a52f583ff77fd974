// What the memory and file parts hold for a task, as far as fork, exec and exit handle it: shared by reference or copied.

interface Shared {
  /** Offset of its struct. */
  readonly at: number
  /** One more task has it. */
  hold(): void
  /** One task less; what is left of it goes with the last. */
  put(): void
}

/** struct files_struct */
export interface Files extends Shared {
  copy(): Files
  /** Close what is marked close-on-exec. */
  closeOnExec(): void
}

/** struct fs_struct */
export interface FsState extends Shared {
  copy(): FsState
}

/**
 * struct mm_struct. User addresses are numbers; what cannot be copied is counted in bytes (0: all was), as copy_from_user() does.
 * Pages that are not there are brought in, but not with `fault` false (as in interrupts and BPF programs).
 */
export interface AddressSpace extends Shared {
  fork(): AddressSpace
  read(address: number, into: Uint8Array, at: number, length: number, fault?: boolean): number
  write(address: number, from: Uint8Array, at: number, length: number, fault?: boolean): number
  /** Text up to its NUL, or a negative errno. */
  readString(address: number, max: number): string | number
}
