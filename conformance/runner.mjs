// Runs named checks one after the other and reports them by topic. A check's
// name is a sentence about HubSpot's behaviour; the name is what is counted, so
// that two passes over the same behaviour are one.

/** Nothing here takes that long; a call that hangs must not hang the run. */
const LIMIT = 60_000

export class Report {
  /** topic → name → { passes: [], failures: [] } */
  #topics = new Map()

  async run(pass, topic, name, check) {
    if (!this.#topics.has(topic)) this.#topics.set(topic, new Map())
    const checks = this.#topics.get(topic)
    if (!checks.has(name)) checks.set(name, { passes: [], failures: [] })
    const entry = checks.get(name)
    if (entry.passes.includes(pass)) throw new Error(`two checks of ${topic} have the name "${name}"`)
    entry.passes.push(pass)
    try {
      await within(LIMIT, check)
    } catch (error) {
      entry.failures.push({ pass, message: describe(error) })
    }
  }

  /** Prints every check and the count, and says whether all of them held. */
  print(passes) {
    let passed = 0
    let failed = 0
    console.log(`  ${passes.map((pass) => pass.padEnd(6)).join('  ')}`)
    for (const [topic, checks] of this.#topics) {
      console.log(`\n${topic}`)
      for (const [name, entry] of checks) {
        const where = passes.map((pass) => mark(pass, entry).padEnd(6)).join('  ')
        console.log(`  ${where}  ${name}`)
        for (const { pass, message } of entry.failures) {
          console.log(message.replace(/^/gm, `  ${' '.repeat(passes.length * 8)}  ${pass}: `))
        }
        if (entry.failures.length > 0) failed++
        else passed++
      }
    }
    console.log(`\n${passed} passed, ${failed} failed`)
    return failed === 0
  }
}

async function within(limit, check) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not end within ${limit / 1000} s`)), limit)
  })
  try {
    await Promise.race([check(), late])
  } finally {
    clearTimeout(timer)
  }
}

function mark(pass, { passes, failures }) {
  if (!passes.includes(pass)) return '-'
  return failures.some((failure) => failure.pass === pass) ? 'FAILED' : 'ok'
}

/** One line or few: an error of the client quotes the whole answer. */
function describe(error) {
  const lines = String(error?.message ?? error).split('\n').filter((line) => line.trim() !== '')
  return lines.slice(0, 8).map((line) => line.slice(0, 300)).join('\n')
}
