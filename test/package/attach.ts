// Type-checked and run against the installed package, in a folder of its own (scripts/try-package.sh).
import { boot, program, u32, u64 } from 'bpfsim'
import { assemble } from 'bpfsim/vm'
import { O_RDONLY, workload } from 'bpfsim/workload'

const reader = workload('reader', function* ({ sys }) {
  const fd = yield* sys.open('/etc/hosts', O_RDONLY)
  const { count } = yield* sys.read(fd, 64)
  yield* sys.close(fd)
  return count > 0 ? 0 : 1
})

using kernel = boot({ workload: reader })
using reads = kernel.load(
  program({
    section: 'kretprobe/vfs_read',
    maps: { bytes: { type: 'array', key: u32, value: u64, maxEntries: 1 } },
    asm: `
      r6 = *(u64 *)(r1 + 80)
      *(u32 *)(r10 - 4) = 0
      r1 = map[bytes]
      r2 = r10
      r2 += -4
      call bpf_map_lookup_elem
      if r0 == 0 goto out
      lock *(u64 *)(r0 + 0) += r6
    out:
      r0 = 0
      exit`,
  }),
)
reads.attach()
await kernel.run()
const total: bigint | undefined = reads.maps.bytes.get(0)
if (total !== 64n || assemble('exit').insns.length !== 1) throw new Error(`vfs_read returned ${total} bytes in all`)
console.log(`vfs_read returned ${total} bytes`)
