import { setImmediate } from 'node:timers/promises'
import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import type { Sequence, Tokenizer } from './embedder.ts'
import { promptOf, promptWarnings } from './prompt.ts'
import type { EmbedRequest, InputReport, OutputType } from './request.ts'
import { promptLength, splitWindows } from './windows.ts'

/** A request turned into work for a model, with its exact size. */
export interface Prepared<Of extends Sequence = Int32Array> {
  readonly deployment: Deployment
  /** Length of each vector to return, `[inputs]`. */
  readonly dimensions: readonly number[]
  /** Whether cuts are of unit length; otherwise what they were cut from is. */
  readonly unitLength: boolean
  /** One report per input, in order. */
  readonly reports: readonly InputReport[]
  /** The tokens of each input that go into its vector, its prompt included, special tokens not, `[inputs]`. */
  readonly contents: readonly Int32Array[]
  /** The windows of all inputs, in order: `reports[i].windows` of them for input i. What the embedder runs. */
  readonly sequences: readonly Of[]
  /** Tokens of each, special ones not, `[sequences]`. */
  readonly sequenceTokens: readonly number[]
  /** Tokens to bill: what goes into the vectors, special tokens once per input. */
  readonly tokensBilled: number
  /** Special tokens of every sequence. */
  readonly specialTokens: number
  /** Whether tokens were not counted but estimated, because the model's own vocabulary is not here. */
  readonly estimated: boolean
  /** What the caller asked for and this model cannot give, a sentence each. */
  readonly warnings: readonly string[]
}

/** Tokens are counted exactly up to this multiple of a deployment's limit; a longer text is reported as at least that long. */
const countedMultiple = 4
/** After so many characters a long list lets other requests have the thread; about a millisecond. */
export const charactersPerTurn = 8_192

/**
 * Puts the model's prompt for its purpose before each input, tokenises both as one text, applies the length rule and cuts
 * windows. A prompt's tokens count and are billed like any others, once per input, however many windows it leads.
 *
 * Length rule: what is longer than `deployment.inputTokensMax` is shortened at its end (`truncate: 'end'`) and says so,
 * or refused (`'error'`). Then `pooled` deployments read a text longer than the model's window in several windows, and
 * `cut` deployments read its first window, as the model's reference does. The cost is bounded by the limits, not by the
 * length of the texts.
 *
 * @throws NearfieldError `invalid_request` for dimensions out of range or an input without any token, which has no
 * meaning to embed; `input_too_long`, also for more than `request.tokensMax` in all. Both carry `details.field`, and `details.index` where one input is at fault
 */
export async function prepare(request: EmbedRequest, deployment: Deployment, tokenizer: Tokenizer): Promise<Prepared> {
  const dimensions = dimensionsOfEach(request, deployment)
  const reports: InputReport[] = []
  const contents: Int32Array[] = []
  const sequences: Int32Array[] = []
  let tokensBilled = 0
  let charactersThisTurn = 0
  for (const [index, text] of request.inputs.entries()) {
    const prompt = promptOf(request, index, deployment.model, tokenizer)
    if (prompt !== '' && tokenizer.encode(text, 1).length === 0) throw emptyInput(index)
    const ids = tokenizer.encode(prompt + text, countedMultiple * deployment.inputTokensMax)
    const { report, used, windows } = prepareInput(ids, prompt, index, request, deployment, tokenizer)
    reports.push(report)
    contents.push(used)
    for (const window of windows) sequences.push(window)
    tokensBilled += report.tokensUsed
    if (tokensBilled > (request.tokensMax ?? Number.POSITIVE_INFINITY)) throw tooManyTokens(index, request)
    charactersThisTurn += text.length
    if (charactersThisTurn > charactersPerTurn && index + 1 < request.inputs.length) {
      charactersThisTurn = 0
      await setImmediate()
    }
  }
  const specialTokens = specialTokensOf(tokenizer)
  const warnings = warningsOf(request, dimensions, deployment)
  const unitLength = request.normalize !== false
  const sequenceTokens = sequences.map(({ length }) => length - specialTokens)
  return {
    ...{ deployment, dimensions, unitLength, reports, contents, sequences, sequenceTokens },
    ...{ tokensBilled, specialTokens, estimated: false, warnings },
  }
}

function prepareInput(ids: Int32Array, prompt: string, index: number, request: EmbedRequest, deployment: Deployment, tokenizer: Tokenizer) {
  const { inputTokensMax, longInputs, model } = deployment
  if (ids.length === 0) throw emptyInput(index)
  if (ids.length > inputTokensMax && request.truncate === 'error') {
    const counted = ids.length < countedMultiple * inputTokensMax ? `${ids.length}` : `at least ${ids.length}`
    throw new NearfieldError(
      'input_too_long',
      `Input ${index} has ${counted} tokens; ${deployment.name} accepts ${inputTokensMax}. Shorten it, split it, or allow truncation.`,
      { details: { field: 'input', index, tokens: ids.length, tokensMax: inputTokensMax } },
    )
  }
  const specialTokens = specialTokensOf(tokenizer)
  const contentTokensMax = model.windowTokens - specialTokens
  const usable = longInputs === 'cut' ? Math.min(inputTokensMax, contentTokensMax) : inputTokensMax
  const used = ids.subarray(0, usable)
  const windows =
    prompt === '' || used.length <= contentTokensMax
      ? splitWindows(used, contentTokensMax, tokenizer)
      : splitPrompted(used, prompt, contentTokensMax, tokenizer)
  const report: InputReport = {
    tokensSeen: ids.length + specialTokens,
    tokensUsed: used.length + specialTokens,
    truncated: used.length < ids.length,
    windows: windows.length,
  }
  return { report, used, windows }
}

/** A text with a prompt, longer than a window: the prompt leads every window, as it would if each were a text of its own. */
function splitPrompted(ids: Int32Array, prompt: string, contentTokensMax: number, tokenizer: Tokenizer): Int32Array[] {
  const lead = promptLength(ids, tokenizer.encode(prompt, contentTokensMax - 1))
  const startIds = [...tokenizer.startIds, ...ids.subarray(0, lead)]
  return splitWindows(ids.subarray(lead), contentTokensMax - lead, { startIds, endIds: tokenizer.endIds })
}

function tooManyTokens(index: number, { tokensMax = 0 }: EmbedRequest): NearfieldError {
  return new NearfieldError(
    'input_too_long',
    `Up to input ${index} the request has more than the ${tokensMax} tokens it may have in all. Split the list: max ${tokensMax} tokens per request.`,
    { details: { field: 'input', index, tokensMax, tooManyTokens: true } },
  )
}

function emptyInput(index: number): NearfieldError {
  return new NearfieldError('invalid_request', `Input ${index} is empty: it has no text to embed. Leave it out, or send some text.`, {
    details: { field: 'input', index },
  })
}

/** Special tokens of an input: those before it and those after it. */
function specialTokensOf({ startIds, endIds }: Tokenizer): number {
  return startIds.length + endIds.length
}

function dimensionsOfEach(request: EmbedRequest, deployment: Deployment): readonly number[] {
  const { inputs, dimensions, outputType } = request
  if (typeof dimensions === 'object')
    return inputs.map((_, index) => checkedDimensions(dimensions[index], outputType, deployment, { index }))
  return new Array<number>(inputs.length).fill(checkedDimensions(dimensions, outputType, deployment))
}

function checkedDimensions(asked: number | undefined, outputType: OutputType, deployment: Deployment, place = {}): number {
  const { dimensionsMin, dimensionsMax, dimensionsDefault, name } = deployment
  const dimensions = asked ?? dimensionsDefault
  if (Number.isInteger(dimensions) && dimensions >= dimensionsMin && dimensions <= dimensionsMax) {
    if (!outputType.endsWith('binary') || dimensions % 8 === 0) return dimensions
    throw new NearfieldError(
      'invalid_request',
      `${dimensions} signs do not fill whole bytes: the output type ${outputType} needs a multiple of eight dimensions.`,
      { details: { field: 'dimensions', ...place } },
    )
  }
  throw new NearfieldError(
    'invalid_request',
    `${dimensions} is not a number of dimensions that ${name} can give: it must be a whole number from ${dimensionsMin} to ${dimensionsMax}. Leave it out for ${dimensionsDefault}.`,
    { details: { field: 'dimensions', ...place } },
  )
}

/** Down to this share of its numbers a vector keeps what it says, also of a model that was not trained to be cut. */
const freeCutShare = 0.5

function warningsOf(request: EmbedRequest, dimensions: readonly number[], deployment: Deployment): string[] {
  const warnings = promptWarnings(request, deployment.model)
  for (const size of new Set(dimensions)) warnings.push(...warningsOfSize(size, deployment))
  return warnings
}

function warningsOfSize(dimensions: number, { name, model, standIn }: Deployment): string[] {
  const warnings: string[] = []
  if (dimensions > model.dimensions) {
    warnings.push(
      `The last ${dimensions - model.dimensions} of ${dimensions} numbers are zero: ${model.name} makes ${model.dimensions}. Cosines are not changed by this.`,
    )
  }
  // Under a name of its owner a model is turned to the owner's texts, and its cuts keep more.
  const generic = standIn || name === model.name
  if (generic && model.matryoshka.length === 0 && dimensions < model.dimensions * freeCutShare) {
    warnings.push(
      `${dimensions} of ${model.dimensions} numbers say noticeably less: ${model.name} was not trained to be cut. A rotation fitted on your own texts keeps more: nearfield models rotate.`,
    )
  }
  return warnings
}
