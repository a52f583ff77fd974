// Byte streams as lines of text, unzipped on the way if they are gzip. One character a byte (Latin-1), so that nothing is lost.

const GZIP_MAGIC = [0x1f, 0x8b]

/** Chunks of a stream, unzipped when its first two bytes say gzip. A damaged or cut gzip stream rejects with TypeError. */
export async function* unzipped(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done) return
  const rest: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => iterator }
  const zipped = first.value[0] === GZIP_MAGIC[0] && first.value[1] === GZIP_MAGIC[1]
  const joined = new ReadableStream<BufferSource>({
    start: (controller) => controller.enqueue(first.value as BufferSource),
    async pull(controller) {
      const next = await rest[Symbol.asyncIterator]().next()
      if (next.done) controller.close()
      else controller.enqueue(next.value as BufferSource)
    },
  })
  const bytes = zipped ? joined.pipeThrough(new DecompressionStream('gzip')) : (joined as ReadableStream<Uint8Array>)
  const reader = bytes.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value as Uint8Array
  }
}

/** Lines without their line feed, in batches (one batch a chunk). A last line without line feed counts as one. */
export async function* lineBatches(source: AsyncIterable<Uint8Array>): AsyncIterable<string[]> {
  const decoder = new TextDecoder('latin1')
  let rest = ''
  for await (const chunk of unzipped(source)) {
    const lines = (rest + decoder.decode(chunk)).split('\n')
    rest = lines.pop()!
    if (lines.length > 0) yield lines
  }
  if (rest !== '') yield [rest]
}
