// A simulator as a process of its own, and its control API.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Starts the simulator on a free port; it has no state from before. */
export async function startSimulator(binary) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HUBSPOTSIM_')))
  const child = spawn(binary, ['-listen', '127.0.0.1:0'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((resolve) => child.once('close', resolve))
  const url = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`the simulator ended with ${code} before it listened`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /^HubSpot simulator: (http:\S+)$/.exec(line)
      if (found) resolve(found[1])
    })
  })
  return new Simulator(url, async () => {
    child.kill('SIGTERM')
    await exited
  })
}

class Simulator {
  constructor(url, stop) {
    this.url = url
    this.stop = stop
  }

  /** Calls the control API; what it refuses is an error. */
  async control(method, path, body) {
    const answer = await fetch(`${this.url}/sim/${path}`, { method, body: body && JSON.stringify(body) })
    const out = await answer.json()
    if (!answer.ok) throw new Error(`${method} /sim/${path}: ${out.error}`)
    return out
  }

  /** Moves the simulator's clock, by such as "31m". */
  advance(by) {
    return this.control('POST', 'clock', { advance: by })
  }
}
