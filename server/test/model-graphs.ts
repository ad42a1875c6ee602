import { tmpdir } from 'node:os'
import path from 'node:path'
import { allMiniLmL6V2 } from '../src/models/catalogue.ts'
import { type CompiledModel, compileModel, type Precision } from '../src/models/compile.ts'
import { openModel } from '../src/models/open-model.ts'

/** A graph of the model, kept between runs: the name of its folder is a hash of everything it is made of. */
export async function testGraph(precision: Precision): Promise<CompiledModel> {
  const dataDirectory = path.join(tmpdir(), 'nearfield-test-models')
  return compileModel({ ...(await openModel(allMiniLmL6V2, dataDirectory)), precision, dataDirectory })
}
