import { expect, test } from 'vitest'
import { ProgressBar } from './progress-bar.ts'

class Screen {
  readonly isTTY: boolean
  text = ''

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): boolean {
    this.text += text
    return true
  }
}

test('a bar fills as texts are done and tells their rate', () => {
  const bar = new ProgressBar(new Screen(true), 4)
  bar.advance(1)
  expect(bar.text(1000)).toBe(`[======${' '.repeat(18)}] 1/4 texts, 1 texts/s`)
  bar.advance(3)
  expect(bar.text(2000)).toBe(`[${'='.repeat(24)}] 4/4 texts, 2 texts/s`)
})

test('without a known end it counts', () => {
  const bar = new ProgressBar(new Screen(true), undefined)
  bar.advance(10)
  expect(bar.text(500)).toBe('10 texts, 20 texts/s')
})

test('it leaves one clean line, and nothing at all where nobody watches', () => {
  const terminal = new Screen(true)
  const file = new Screen(false)
  for (const screen of [terminal, file]) {
    const bar = new ProgressBar(screen, 1)
    bar.advance(1)
    bar.clear()
  }
  expect(terminal.text.endsWith('\r\x1b[K')).toBe(true)
  expect(terminal.text).not.toContain('\n')
  expect(file.text).toBe('')
})
