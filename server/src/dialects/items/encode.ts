import { toOutputType } from '../../embedding/output-type.ts'
import type { InputReport } from '../../embedding/request.ts'
import { NearfieldError } from '../../errors.ts'
import { accountingHeaders } from '../accounting.ts'
import { type Body, startBody } from '../body-pieces.ts'
import type { EmbedAnswer, WireReply } from '../dialect.ts'
import { jsonType } from '../json-reply.ts'
import type { ItemsCall } from './decode.ts'
import { failedItem } from './errors.ts'

/** What became of an item: its vector, or what was wrong. */
export type Outcome = { readonly vector: Float32Array; readonly report: InputReport; readonly space: string } | NearfieldError

/** `{"model","items":[{"index","id","status":200,"embedding",…} or {"index","id","status","error"},…],"usage","warnings"}`, in the order of the items. */
export function encode(answer: EmbedAnswer, call: ItemsCall, outcomes: readonly Outcome[]): WireReply {
  const body = startBody(answer.vectors.length)
  body.text(`{"model":${JSON.stringify(answer.model)},"items":[`)
  for (const [index, outcome] of outcomes.entries()) {
    if (index > 0) body.text(',')
    if (outcome instanceof NearfieldError) body.text(JSON.stringify(failedItem(outcome, index, call.ids[index])))
    else writeDelivered(body, outcome, index, call)
  }
  const delivered = answer.vectors.length
  const { tokens, cachedTokens } = answer
  const usage = { tokens, cached_tokens: cachedTokens, delivered, failed: outcomes.length - delivered }
  body.text(`],${JSON.stringify({ usage, warnings: answer.notes }).slice(1)}`)
  return { status: 200, headers: { 'content-type': jsonType, ...accountingHeaders(answer) }, body: body.finish() }
}

function writeDelivered(body: Body, outcome: Exclude<Outcome, NearfieldError>, index: number, call: ItemsCall): void {
  const { outputType, encoding, ids } = call
  const vector = outputType === 'float' ? outcome.vector : toOutputType(outcome.vector, outputType)
  const about = {
    dimensions: outcome.vector.length,
    space: outcome.space,
    tokens: outcome.report.tokensUsed,
    truncated: outcome.report.truncated,
  }
  body.text(`${JSON.stringify({ index, id: ids[index], status: 200 }).slice(0, -1)},"embedding":`)
  body.vector(vector, encoding)
  body.text(`,${JSON.stringify(about).slice(1)}`)
}
