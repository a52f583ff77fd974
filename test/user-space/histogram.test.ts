import { expect, test } from 'vitest'
import { linearHistogram, linearSlot, log2Histogram, toolsHistogram } from '../../user-space/histogram.ts'

test('powers of two as bpftrace prints them', () => {
  expect(log2Histogram([138, 1061, 0, 30, 0, 0, 0, 0, 0, 0, 7, 0, 0], 23)).toBe(`\
[0]                   23 |@                                                   |
[1]                  138 |@@@@@@                                              |
[2, 4)              1061 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[4, 8)                 0 |                                                    |
[8, 16)               30 |@                                                   |
[16, 32)               0 |                                                    |
[32, 64)               0 |                                                    |
[64, 128)              0 |                                                    |
[128, 256)             0 |                                                    |
[256, 512)             0 |                                                    |
[512, 1K)              0 |                                                    |
[1K, 2K)               7 |                                                    |
`)
})

test('empty buckets outside are left out, an empty histogram is nothing', () => {
  expect(log2Histogram([0, 0, 4, 0]).trim().split('\n')).toHaveLength(1)
  expect(log2Histogram([0, 0])).toBe('')
})

test('equal steps as bpftrace prints them', () => {
  const slots = new Array(7).fill(0)
  for (const value of [-5, 0, 150, 199, 1024, 2048, 5000]) slots[linearSlot(value, 0, 2048, 512)]++
  expect(linearHistogram(slots, 0, 2048, 512)).toBe(`\
(..., 0)               1 |@@@@@@@@@@@@@@@@@                                   |
[0, 512)               3 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[512, 1K)              0 |                                                    |
[1K, 1536)             1 |@@@@@@@@@@@@@@@@@                                   |
[1536, 2K)             0 |                                                    |
[2K, ...)              2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                  |
`)
})

test('powers of two as libbpf-tools print them', () => {
  expect(toolsHistogram([1, 4, 0, 2, 0], 'usecs')).toBe(`\
     usecs               : count    distribution
         0 -> 1          : 1        |**********                              |
         2 -> 3          : 4        |****************************************|
         4 -> 7          : 0        |                                        |
         8 -> 15         : 2        |********************                    |
`)
})
