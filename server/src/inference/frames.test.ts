import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeRequest, type ReplyHeader, ReplyReader, replyHeaderBytes, writeReplyHeader } from './frames.ts'

function encodeReply(header: ReplyHeader, vectors: Float32Array): Uint8Array {
  const frame = new Uint8Array(replyHeaderBytes + vectors.byteLength)
  writeReplyHeader(frame.buffer, header)
  frame.set(new Uint8Array(vectors.buffer), replyHeaderBytes)
  return frame
}

const reply = fc
  .record({ batchId: fc.nat(), kind: fc.nat(2), vectors: fc.nat(4), dimensions: fc.nat(5), inferMs: fc.integer({ min: 0, max: 9_999 }) })
  .chain((header) =>
    fc
      .array(fc.float(), { minLength: header.vectors * header.dimensions, maxLength: header.vectors * header.dimensions })
      .map((values) => ({ header, values: Float32Array.from(values) })),
  )

describe('frames', () => {
  it('carry every reply unchanged, however the pipe cuts the stream', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (replies, cuts) => {
        const stream = Buffer.concat(replies.map(({ header, values }) => encodeReply(header, values)))
        const received: { header: ReplyHeader; values: Float32Array }[] = []
        const reader = new ReplyReader((header, values) => received.push({ header, values }))
        for (let from = 0, turn = 0; from < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          reader.read(stream.subarray(from, from + size))
          from += size
        }
        expect(received).toEqual(replies)
      }),
    )
  })

  it('lay the lengths and then the ids of a batch end to end', () => {
    const words = new Int32Array(encodeRequest(7, [Int32Array.of(101, 5, 102), Int32Array.of(101, 102)]).buffer)
    expect([...words]).toEqual([7, 2, 5, 3, 2, 101, 5, 102, 101, 102])
  })

  it('are refused where a number is out of bounds, instead of allocating what it says', () => {
    const header = new Uint8Array(replyHeaderBytes)
    new Uint32Array(header.buffer).set([1, 1, 0xffffffff, 384, 0])
    expect(() => new ReplyReader(() => {}).read(header)).toThrow(RangeError)
    expect(() => encodeRequest(1, [])).toThrow(RangeError)
    expect(() => encodeRequest(1, [new Int32Array(0)])).toThrow(RangeError)
    expect(() => encodeRequest(1, [Int32Array.of(1, 2, 3), new Int32Array(0)])).toThrow(RangeError)
    expect(() => encodeRequest(1, [new Int32Array(70_000)])).toThrow(RangeError)
  })
})
