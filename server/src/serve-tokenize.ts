import type { RateLimitState } from './access/access.ts'
import type { Sequence, Tokenizer } from './embedding/embedder.ts'
import type { Prepared } from './embedding/prepare.ts'
import type { EmbedRequest, InputReport } from './embedding/request.ts'
import { unpaddedDimensions } from './embedding/unpadded-dimensions.ts'
import { NearfieldError } from './errors.ts'
import type { Caller, LoadedModel, Services } from './serve.ts'

export interface TokenizeRequest extends Omit<EmbedRequest, 'dimensions'> {
  /** Whether `ids` hold what the model wants around every text, such as `[CLS]`. */
  readonly addSpecialTokens: boolean
}

export interface TokenCounts {
  readonly reports: readonly InputReport[]
  /** Whether they were not counted but estimated. */
  readonly estimated: boolean
  readonly rateLimit: RateLimitState
}

export interface TokenizedInput {
  /** What goes into the vector, `[tokens]`: the prompt of the task type, then the text up to where it is cut. */
  readonly ids: readonly number[]
  readonly report: InputReport
}

export interface Tokenized {
  readonly model: string
  readonly inputs: readonly TokenizedInput[]
  /** A token as the vocabulary writes it. */
  pieceOf(id: number): string | undefined
  /** Tokens that the model wants around every text. */
  readonly specialIds: ReadonlySet<number>
  readonly notes: readonly string[]
  readonly rateLimit: RateLimitState
}

/**
 * The tokens of the texts as an embedding request would read them. Free, but counted as a request.
 * @throws NearfieldError as `serve` does before it takes money; `invalid_request` for a model whose tokens only another machine knows
 */
export async function serveTokenize(request: TokenizeRequest, caller: Caller, services: Services): Promise<Tokenized> {
  return whilePrepared(request, caller, services, (prepared, { tokenizer }, rateLimit) => {
    const { model, name } = prepared.deployment
    if (tokenizer === undefined) {
      throw new NearfieldError(
        'invalid_request',
        `The tokens of ${name} are cut by another service, which does not show them. POST /v1/estimate says how many there are, roughly.`,
        { details: { field: 'model' } },
      )
    }
    return {
      model: model.name,
      pieceOf: (id) => tokenizer.piece?.(id),
      specialIds: new Set([...tokenizer.startIds, ...tokenizer.endIds]),
      inputs: readTokens(prepared, tokenizer, request.addSpecialTokens),
      notes: prepared.warnings,
      rateLimit,
    }
  })
}

/** How many tokens each text has, whatever knows it; an estimate where only another machine can count. @throws NearfieldError as `serve` does before it takes money */
export function serveTokenCounts(request: Omit<EmbedRequest, 'dimensions'>, caller: Caller, services: Services): Promise<TokenCounts> {
  return whilePrepared(request, caller, services, ({ reports, estimated }, _model, rateLimit) => ({ reports, estimated, rateLimit }))
}

async function whilePrepared<Result>(
  request: Omit<EmbedRequest, 'dimensions'>,
  caller: Caller,
  { access, models }: Services,
  read: (prepared: Prepared<Sequence>, model: LoadedModel, rateLimit: RateLimitState) => Result,
): Promise<Result> {
  const { deployment, lease } = await models.find(request.deployment)
  access.authorize(caller.principal, deployment)
  const rateLimit = access.countRequest(caller.principal)
  using model = await lease(caller)
  const prepared = await model.prepare({ ...request, dimensions: unpaddedDimensions(deployment) }, deployment)
  caller.signal.throwIfAborted()
  return read(prepared, model, rateLimit)
}

function readTokens(
  { reports, contents }: Prepared<Sequence>,
  { startIds, endIds }: Tokenizer,
  addSpecialTokens: boolean,
): TokenizedInput[] {
  return reports.map((report, index) => {
    const content = Array.from(contents[index] ?? [])
    return { ids: addSpecialTokens ? [...startIds, ...content, ...endIds] : content, report }
  })
}
