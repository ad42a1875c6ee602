import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import { dimensionsOfEach, sizeWarnings } from './dimensions-of-each.ts'
import type { WholeText } from './embedder.ts'
import { estimateTokens } from './estimate-tokens.ts'
import { countedMultiple, emptyInput, inputTooLong, tooManyTokens } from './input-errors.ts'
import type { Prepared } from './prepare.ts'
import { promptOf, promptWarnings } from './prompt.ts'
import { type EmbedRequest, type InputReport, taskTypeOf } from './request.ts'
import { ThreadTurns } from './thread-turns.ts'

/** From this share of the limit on an estimate may be on the wrong side of it. */
const certainShare = 0.75
/** The part of the limit that a title beside the text may fill. */
const titleShare = 0.25

const count = (text: string, tokensMax: number) => estimateTokens(text, tokensMax).tokens

/**
 * The counterpart of `prepare` for a model on other machines: a text is a sequence, whole, with its purpose and title
 * beside it where the model takes them there, and otherwise before it. Its vocabulary is not here, so tokens are
 * estimated, and the price follows the estimate: it is known before the run, and equal for equal texts.
 *
 * Length rule: what the estimate says is beyond the limit is cut off here (`truncate: 'end'`) and says so, or refused
 * (`'error'`); so the upstream is sent what the report says. Near the limit a note says that the upstream may have read
 * less than that.
 *
 * Halves of surrogate pairs are sent as U+FFFD, as UTF-8 writes them.
 *
 * @throws NearfieldError as `prepare` does; `invalid_request` for a title of what is no document, too
 */
export async function prepareTexts(request: EmbedRequest, deployment: Deployment): Promise<Prepared<WholeText>> {
  const dimensions = dimensionsOfEach(request, deployment)
  const { model } = deployment
  const reports: InputReport[] = []
  const sequences: WholeText[] = []
  const warnings = [...promptWarnings(request, model), ...sizeWarnings(dimensions, deployment)]
  let tokensBilled = 0
  const turns = new ThreadTurns()
  for (const [index, input] of request.inputs.entries()) {
    if (input.trim() === '') throw emptyInput(index)
    const beside = model.fields === undefined ? {} : fieldsOf(request, index, deployment)
    const text = promptOf(request, index, model, count) + input
    const { report, used } = fitText(text, beside.title, index, request, deployment)
    reports.push(report)
    sequences.push({ text: used.toWellFormed(), ...beside })
    if (!report.truncated && isUncertain(used, report, deployment)) warnings.push(nearLimit(index, deployment))
    tokensBilled += report.tokensUsed
    if (tokensBilled > (request.tokensMax ?? Number.POSITIVE_INFINITY)) throw tooManyTokens(index, request)
    if (turns.isOver(input.length) && index + 1 < request.inputs.length) await turns.letOthers()
  }
  const sequenceTokens = reports.map(({ tokensUsed }) => tokensUsed)
  const unitLength = request.normalize !== false || model.unitLengthCuts === true
  return {
    ...{ deployment, dimensions, unitLength, reports, contents: [], sequences, sequenceTokens },
    ...{ tokensBilled, specialTokens: 0, estimated: true, warnings },
  }
}

/** What goes beside a text. The upstream would read a title of anything but a document as if there were none. */
function fieldsOf(request: EmbedRequest, index: number, { name, inputTokensMax }: Deployment): Omit<WholeText, 'text'> {
  const taskType = taskTypeOf(request, index)
  const title = request.titles?.[index]?.toWellFormed()
  const purpose = taskType === 'TASK_TYPE_UNSPECIFIED' ? {} : { taskType }
  if (title === undefined || title === '') return purpose
  const details = { field: 'title', index }
  if (taskType !== 'RETRIEVAL_DOCUMENT') {
    throw new NearfieldError(
      'invalid_request',
      `${name} reads a title with the task type RETRIEVAL_DOCUMENT only. Leave the title of input ${index} out, or say that it is a document.`,
      { details },
    )
  }
  const tokensMax = Math.floor(inputTokensMax * titleShare)
  if (count(title, tokensMax + 1) <= tokensMax) return { taskType, title }
  throw new NearfieldError(
    'invalid_request',
    `The title of input ${index} has more than the ${tokensMax} tokens that ${name} has place for. Shorten it.`,
    {
      details,
    },
  )
}

function fitText(text: string, title: string | undefined, index: number, { truncate }: EmbedRequest, deployment: Deployment) {
  const { inputTokensMax } = deployment
  const titleTokens = title === undefined ? 0 : count(title, inputTokensMax)
  const { tokens } = estimateTokens(text, countedMultiple * inputTokensMax)
  const seen = titleTokens + Math.max(1, tokens)
  if (seen <= inputTokensMax) return { report: { tokensSeen: seen, tokensUsed: seen, truncated: false, windows: 1 }, used: text }
  if (truncate === 'error') throw inputTooLong(index, seen, deployment)
  const { end } = estimateTokens(text, inputTokensMax - titleTokens)
  return { report: { tokensSeen: seen, tokensUsed: inputTokensMax, truncated: true, windows: 1 }, used: text.slice(0, end) }
}

/** No token is shorter than a byte, so a text of fewer bytes than the limit fits whatever the estimate says. */
function isUncertain(text: string, { tokensUsed }: InputReport, { inputTokensMax }: Deployment): boolean {
  return tokensUsed > inputTokensMax * certainShare && Buffer.byteLength(text) > inputTokensMax
}

function nearLimit(index: number, { name, inputTokensMax }: Deployment): string {
  return `Input ${index} is near the limit of ${name} by an estimate; beyond ${inputTokensMax} tokens it was not read.`
}
