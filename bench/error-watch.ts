/** Keeps what the server writes on standard error once it runs, where warnings are expected and errors are not; what it says before is passed on. */
export class ErrorWatch {
  readonly lines: string[] = []
  #watching = false
  #rest = ''

  begin(): void {
    this.#watching = true
  }

  read(text: string): void {
    if (!this.#watching) {
      process.stderr.write(text)
      return
    }
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    this.lines.push(...lines.filter((line) => line !== '' && !/^\{"level":"(info|warn)"/.test(line)).slice(0, 100 - this.lines.length))
  }
}
