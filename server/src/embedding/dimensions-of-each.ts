import { NearfieldError } from '../errors.ts'
import type { Deployment } from '../models/model.ts'
import type { EmbedRequest, OutputType } from './request.ts'

/**
 * The length of the vector of each input, `[inputs]`.
 * @throws NearfieldError `invalid_request` for one that the deployment cannot give, with `details.field` and, where each has its own, `details.index`
 */
export function dimensionsOfEach(request: EmbedRequest, deployment: Deployment): readonly number[] {
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

/** A sentence for each size that says less than it seems to, or that the model does not have. */
export function sizeWarnings(dimensions: readonly number[], deployment: Deployment): string[] {
  return [...new Set([...new Set(dimensions)].flatMap((size) => warningsOfSize(size, deployment)))]
}

function warningsOfSize(dimensions: number, { name, model, standIn, alignment }: Deployment): string[] {
  const warnings: string[] = []
  if (alignment !== undefined) {
    return [
      `Approximate, another space: ${name} is ${model.name} mapped towards ${alignment.like}. Of a text's ten nearest, ${Math.round(alignment.overlapAt10 * 100)} in 100 were the same on texts it was not fitted on. Never compare its vectors with those of ${alignment.like}.`,
    ]
  }
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
