import { randomNumbers } from './corpus.ts'

/** Parts of everyday sentences about one field each; a sentence takes one of every list of its field, or of two fields. */
const fields = [
  {
    who: ['the goalkeeper', 'a young striker', 'the marathon runner', 'our coach', 'the rowing team', 'a veteran referee'],
    does: ['trained for', 'lost her nerve before', 'won', 'missed', 'talked about', 'was injured in'],
    what: ['the cup final', 'an away match', 'the opening race', 'a penalty shoot-out', 'the regional championship', 'a friendly game'],
    where: ['in the rain', 'at the old stadium', 'in front of a small crowd', 'last weekend', 'after a short winter break'],
  },
  {
    who: ['the nurse', 'a heart surgeon', 'the family doctor', 'an anxious patient', 'the pharmacist', 'a medical student'],
    does: ['explained', 'worried about', 'wrote a note on', 'asked for', 'postponed', 'recommended'],
    what: ['the blood test', 'a new vaccine', 'the operation', 'a course of antibiotics', 'the side effects', 'an eye examination'],
    where: ['at the clinic', 'before breakfast', 'during the night shift', 'for the second time this month', 'without any delay'],
  },
  {
    who: ['the bank', 'a small investor', 'the finance minister', 'our accountant', 'the insurance company', 'a retired teacher'],
    does: ['lowered', 'complained about', 'published', 'checked', 'refused', 'is waiting for'],
    what: ['the interest rate', 'a mortgage', 'the annual report', 'an unpaid invoice', 'the tax refund', 'a monthly pension'],
    where: ['in the last quarter', 'by registered letter', 'despite rising prices', 'on the first of June', 'for the whole region'],
  },
  {
    who: ['the baker', 'my grandmother', 'a hungry guest', 'the head chef', 'a street vendor', 'the cooking class'],
    does: ['prepared', 'burned', 'seasoned', 'ordered', 'shared the recipe for', 'threw away'],
    what: ['a lentil soup', 'the sourdough bread', 'grilled fish', 'an apple cake', 'a spicy noodle dish', 'the roasted vegetables'],
    where: ['for forty people', 'on a wood stove', 'with too much salt', 'on Sunday morning', 'at the night market'],
  },
  {
    who: ['the programmer', 'a database administrator', 'the night operator', 'an intern', 'the security team', 'a cloud provider'],
    does: ['restarted', 'deleted', 'measured', 'forgot to back up', 'rewrote', 'blamed'],
    what: ['the web server', 'an old script', 'the customer table', 'a broken test', 'the encryption library', 'the message queue'],
    where: ['after the outage', 'without telling anybody', 'in the middle of a release', 'on a borrowed laptop', 'within two hours'],
  },
  {
    who: ['the biologist', 'a park ranger', 'the farmer', 'an amateur birdwatcher', 'the river authority', 'a beekeeper'],
    does: ['counted', 'protects', 'photographed', 'was surprised by', 'fenced off', 'wrote about'],
    what: ['the migrating geese', 'a wolf pack', 'the flooded meadow', 'an ancient oak', 'the trout population', 'wild orchids'],
    where: ['near the border', 'at dawn', 'throughout the dry summer', 'for a national survey', 'high above the valley'],
  },
  {
    who: ['the violinist', 'a film director', 'the museum', 'an unknown poet', 'the choir', 'a graffiti artist'],
    does: ['rehearsed', 'sold', 'restored', 'was inspired by', 'refused to show', 'dedicated a speech to'],
    what: ['a silent film', 'the late quartet', 'an oil painting', 'a love poem', 'the wooden sculpture', 'a collection of masks'],
    where: ['in an empty theatre', 'for the anniversary', 'to great applause', 'in a single night', 'against the advice of friends'],
  },
  {
    who: ['the train driver', 'a cyclist', 'the airline', 'a lost tourist', 'the harbour master', 'an early commuter'],
    does: ['waited for', 'cancelled', 'followed', 'narrowly missed', 'asked the way to', 'paid too much for'],
    what: ['the night ferry', 'a connecting flight', 'the mountain railway', 'a rental car', 'the bus to the airport', 'a long bridge'],
    where: ['in thick fog', 'because of a strike', 'with three suitcases', 'shortly after midnight', 'on the way home'],
  },
] as const

/** `count` different sentences, the same for the same seed. */
export function sentences(count: number, seed = 1): string[] {
  const next = randomNumbers(seed)
  const pick = <Part>(list: readonly Part[]) => list[Math.floor(next() * list.length)] as Part
  const made = new Set<string>()
  while (made.size < count) {
    const field = pick(fields)
    const other = next() < 0.25 ? pick(fields) : field
    const place = next() < 0.7 ? ` ${pick(other.where)}` : ''
    made.add(`${pick(field.who)} ${pick(field.does)} ${pick(other.what)}${place}.`.replace(/^./, (letter) => letter.toUpperCase()))
  }
  return [...made]
}
