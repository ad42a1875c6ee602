import type { Deployment } from '../models/model.ts'
import { dimensionsOfEach, sizeWarnings } from './dimensions-of-each.ts'
import type { Sequence, Tokenizer } from './embedder.ts'
import { countedMultiple, emptyInput, inputTooLong, tooManyTokens } from './input-errors.ts'
import { promptOf, promptWarnings } from './prompt.ts'
import type { EmbedRequest, InputReport } from './request.ts'
import { ThreadTurns } from './thread-turns.ts'
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
  const count = (text: string, tokensMax: number) => tokenizer.encode(text, tokensMax).length
  let tokensBilled = 0
  const turns = new ThreadTurns()
  for (const [index, text] of request.inputs.entries()) {
    const prompt = promptOf(request, index, deployment.model, count)
    if (prompt !== '' && tokenizer.encode(text, 1).length === 0) throw emptyInput(index)
    const ids = tokenizer.encode(prompt + text, countedMultiple * deployment.inputTokensMax)
    const { report, used, windows } = prepareInput(ids, prompt, index, request, deployment, tokenizer)
    reports.push(report)
    contents.push(used)
    for (const window of windows) sequences.push(window)
    tokensBilled += report.tokensUsed
    if (tokensBilled > (request.tokensMax ?? Number.POSITIVE_INFINITY)) throw tooManyTokens(index, request)
    if (turns.isOver(text.length) && index + 1 < request.inputs.length) await turns.letOthers()
  }
  const specialTokens = specialTokensOf(tokenizer)
  const warnings = [...promptWarnings(request, deployment.model), ...sizeWarnings(dimensions, deployment)]
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
  if (ids.length > inputTokensMax && request.truncate === 'error') throw inputTooLong(index, ids.length, deployment)
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

/** Special tokens of an input: those before it and those after it. */
function specialTokensOf({ startIds, endIds }: Tokenizer): number {
  return startIds.length + endIds.length
}
