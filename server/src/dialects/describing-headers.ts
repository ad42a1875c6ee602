import type { EmbedRequest } from '../embedding/request.ts'
import type { EmbedAnswer } from './dialect.ts'
import { headerText } from './header-text.ts'

/** Adds what a body cannot say about its vectors, where it is bare numbers or its shape is somebody else's. */
export function describeInHeaders(
  headers: Record<string, string>,
  answer: EmbedAnswer,
  { outputType }: Pick<EmbedRequest, 'outputType'>,
  warnings: readonly string[],
): void {
  const truncated = answer.reports.reduce((count, report) => count + (report.truncated ? 1 : 0), 0)
  const sentences = [...warnings, ...answer.notes]
  headers['x-nearfield-model'] = answer.model
  headers['x-nearfield-dimensions'] = headerText([...new Set(answer.vectors.map(({ length }) => length))].join(', '))
  if (outputType !== 'float') headers['x-nearfield-output-dtype'] = outputType
  headers['x-nearfield-tokens'] = String(answer.tokens)
  headers['x-nearfield-cached-tokens'] = String(answer.cachedTokens)
  if (truncated > 0) headers['x-nearfield-truncated'] = String(truncated)
  if (sentences.length > 0) headers['x-nearfield-warnings'] = headerText(sentences.join(' '))
}
