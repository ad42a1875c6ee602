import type { RateLimitState } from './access/access.ts'
import type { Tokenizer } from './embedding/embedder.ts'
import { type Prepared, prepare } from './embedding/prepare.ts'
import type { EmbedRequest, InputReport } from './embedding/request.ts'
import { unpaddedDimensions } from './embedding/unpadded-dimensions.ts'
import type { Caller, Services } from './serve.ts'

export interface TokenizeRequest extends Omit<EmbedRequest, 'dimensions'> {
  /** Whether `ids` hold what the model wants around every text, such as `[CLS]`. */
  readonly addSpecialTokens: boolean
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
 * @throws NearfieldError as `serve` does before it takes money
 */
export async function serveTokenize(request: TokenizeRequest, caller: Caller, services: Services): Promise<Tokenized> {
  const { access, models } = services
  const { deployment, lease } = await models.find(request.deployment)
  access.authorize(caller.principal, deployment)
  const rateLimit = access.countRequest(caller.principal)
  using model = await lease(caller)
  const prepared = await prepare({ ...request, dimensions: unpaddedDimensions(deployment) }, deployment, model.tokenizer)
  caller.signal.throwIfAborted()
  const { tokenizer } = model
  return {
    model: deployment.model.name,
    pieceOf: (id) => tokenizer.piece?.(id),
    specialIds: new Set([...tokenizer.startIds, ...tokenizer.endIds]),
    inputs: readTokens(prepared, tokenizer, request.addSpecialTokens),
    notes: prepared.warnings,
    rateLimit,
  }
}

function readTokens({ reports, contents }: Prepared, { startIds, endIds }: Tokenizer, addSpecialTokens: boolean): TokenizedInput[] {
  return reports.map((report, index) => {
    const content = Array.from(contents[index] ?? [])
    return { ids: addSpecialTokens ? [...startIds, ...content, ...endIds] : content, report }
  })
}
