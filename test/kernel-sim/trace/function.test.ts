import { describe, expect, test } from 'vitest'
import { boot } from '../../../kernel-sim/boot.ts'
import { profileFor } from '../../../kernel-sim/profiles/profile.ts'
import type { Wait } from '../../../kernel-sim/wait.ts'

/** A kernel that has, in addition, functions for the tests to declare. */
function kernel() {
  const profile = profileFor()
  const names = ['test_read', 'test_statx', 'test_unlink', 'test_pipe', 'test_ksys', 'test_fsync', 'test_hook']
  const symbols = [...profile.symbols, ...names.map((name) => ({ name, aliasOf: undefined }))]
  return boot({ memoryBytes: 64 << 20, profile: { ...profile, symbols } })
}

describe('a traceable function', () => {
  test('takes and returns what its body does, listened to or not', () => {
    const k = kernel()
    const vfsRead = k.functions.declare(
      'ssize_t test_read(struct file *file, char __user *buf, size_t count, loff_t *pos)',
      (_file: number, buf: number, count: number, _pos: number) => buf + count,
    )
    expect(vfsRead(0x1000, 0x7ffd_0000_0000, 5, 0)).toBe(0x7ffd_0000_0005)
    const seen: bigint[] = []
    const detach = k.functions.get('test_read')!.attach({
      entry: ({ args }) => {
        for (let i = -2; i < 4; i++) seen.push(BigInt.asUintN(64, k.mem.readU64(args + i * 8)))
      },
      exit: ({ args, result }) => {
        seen.push(k.mem.readU64(args + 32))
        expect(result).toBe(0x7ffd_0000_0004)
      },
    })
    expect(vfsRead(0x1000, 0x7ffd_0000_0000, 4, 0)).toBe(0x7ffd_0000_0004)
    const address = BigInt.asUintN(64, BigInt(k.functions.get('test_read')!.address))
    expect(seen).toEqual([address, 4n, 0xffff_8880_0000_1000n, 0x7ffd_0000_0000n, 4n, 0n, 0x7ffd_0000_0004n])
    detach()
    vfsRead(0, 0, 0, 0)
    expect(seen).toHaveLength(7)
  })

  test('an int is 32 bits in its register, a long is sign-extended, an error pointer too', () => {
    const k = kernel()
    const asInt = k.functions.declare(
      'int test_statx(int dfd, struct filename *name)',
      (_dfd: number, _name: number) => -2,
    )
    const asLong = k.functions.declare('long test_unlink(int dfd)', (_dfd: number) => -2)
    const words: bigint[] = []
    for (const name of ['test_statx', 'test_unlink']) {
      k.functions.get(name)!.attach({
        exit: ({ args, fn }) => {
          for (let i = 0; i <= fn.prototype.params.length; i++) words.push(k.mem.readU64(args + i * 8))
        },
      })
    }
    asInt(-100, -22)
    asLong(-100)
    expect(words).toEqual([0xffff_ff9cn, 0xffff_ffff_ffff_ffean, 0xffff_fffen, 0xffff_ff9cn, 0xffff_ffff_ffff_fffen])
  })

  test('its frames are on the stack of the task, also while it sleeps and nobody listens', () => {
    const k = kernel()
    const inner = k.functions.declare(
      'ssize_t test_pipe(struct kiocb *iocb, struct iov_iter *to)',
      function* (_iocb: number, _to: number): Wait<number> {
        yield
        return 7
      },
    )
    const outer = k.functions.declare('ssize_t test_ksys(unsigned int fd, char *buf, size_t count)', (fd: number) =>
      inner(fd, 0),
    )
    const { sp } = k.current
    const wait = outer(3) as Wait<number>
    expect(wait.next().done).toBe(false)
    const names = k.current.kernelStack().map((address) => k.functions.symbolAt(address)?.name)
    expect(names.slice(0, 2)).toEqual(['test_pipe', 'test_ksys'])
    expect(wait.next()).toEqual({ done: true, value: 7 })
    expect(k.current.sp).toBe(sp)
  })

  test('listeners: lower ranks first, newest first where asked, no return heard by one that came late or left', () => {
    const k = kernel()
    const order: string[] = []
    const note = (name: string) => ({ entry: () => void order.push(name), exit: () => void order.push(`${name}'`) })
    const body = k.functions.declare(
      'int test_fsync(struct file *file, int datasync)',
      function* (_file: number, _datasync: number): Wait<number> {
        yield
        return 0
      },
    )
    const fn = k.functions.get('test_fsync')!
    fn.attach(note('a'), 1)
    fn.attach(note('b'), 1, true)
    const leave = fn.attach(note('c'), 0)
    const wait = body(0, 0)
    wait.next()
    leave()
    fn.attach(note('late'))
    wait.next()
    expect(order).toEqual(['c', 'b', 'a', "b'", "a'"])
  })

  test('a listener may answer in its place', () => {
    const k = kernel()
    let ran = false
    const fn = k.functions.declare('int test_hook(struct file *file)', (_file: number) => {
      ran = true
      return 0
    })
    k.functions.get('test_hook')!.attach({ entry: (call) => call.override(-1) })
    expect(fn(0)).toBe(-1)
    expect(ran).toBe(false)
  })
})
