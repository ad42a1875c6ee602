/**
 * Writes a small model with random weights as a whole repository: to see how a model of a family is compiled and served
 * without downloading one.
 *
 *   node scripts/make-small-model.ts <folder> [bert|xlm-roberta] [mean|cls]
 */
import { writeSmallModel } from '../server/test/small-model.ts'

const [folder, family = 'xlm-roberta', pooling = 'mean'] = process.argv.slice(2)
if (folder === undefined || (family !== 'bert' && family !== 'xlm-roberta') || (pooling !== 'mean' && pooling !== 'cls')) {
  process.stderr.write('usage: node scripts/make-small-model.ts <folder> [bert|xlm-roberta] [mean|cls]\n')
  process.exitCode = 2
} else {
  const { files } = await writeSmallModel(folder, { family, pooling })
  process.stdout.write(`${folder}: ${files.names.join(', ')}\n`)
}
