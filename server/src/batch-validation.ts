import { readLine } from './batch-chunks.ts'
import type { BatchWire } from './dialects/batch-wire.ts'
import { NearfieldError } from './errors.ts'
import type { JobSettings } from './job-settings.ts'
import type { BatchProblem } from './jobs/batches.ts'
import { linesOf } from './jobs/lines.ts'

/** What a whole input file holds. */
export interface FileReport {
  readonly lines: number
  /** The model of its lines, where it has one. */
  readonly deployment: string | undefined
  /** Why it cannot be run; none when it can. */
  readonly problems: readonly BatchProblem[]
}

/**
 * Reads all lines of an input file once, before any is run: what is not a line at all keeps the whole batch from running, what cannot
 * be embedded does not. Ends early when there are too many lines, or too many problems.
 */
export async function reportOn(
  content: AsyncIterable<Buffer>,
  wire: BatchWire,
  named: string | undefined,
  limits: JobSettings['batches'],
): Promise<FileReport> {
  const problems: BatchProblem[] = []
  const ids = new Map<string, number>()
  let [lines, inputs, deployment] = [0, 0, named]
  const refuse = (code: string, message: string, line: number | null, param: string | null = null) =>
    void problems.push({ code, message, line, param })
  for await (const raw of linesOf(content, { byte: 0, line: 0 }, limits.lineBytesMax)) {
    const line = readLine(raw, wire, deployment, limits.lineBytesMax)
    lines++
    if (line.problem !== undefined) problems.push({ ...line.problem, line: line.number })
    if (wire.idsUnique && line.id !== undefined) {
      const first = ids.get(line.id)
      if (first === undefined) ids.set(line.id, line.number)
      else
        refuse('duplicate_custom_id', `This line has the id of line ${first}. Every line needs one of its own.`, line.number, 'custom_id')
    }
    if (!(line.request instanceof NearfieldError)) {
      inputs += line.request.inputs.length
      deployment ??= line.request.deployment
    }
    if (lines > limits.linesMax) refuse('too_many_lines', `A batch may have ${limits.linesMax} lines. Split the file.`, null)
    else if (inputs > limits.inputsMax)
      refuse('too_many_inputs', `A batch may have ${limits.inputsMax} texts in all its lines. Split the file.`, null)
    else if (problems.length < limits.problemsMax) continue
    break
  }
  if (lines === 0) refuse('empty_file', 'The file has no lines.', null)
  return { lines, deployment, problems }
}
