// Where webhooks arrive: keeps every request as it came, and answers as it is told.
import http from 'node:http'
import { once } from 'node:events'

export class Listener {
  deliveries = []
  /** How many connections the sender broke off before an answer. */
  closed = 0
  /** The status for the next requests; 0 leaves them without an answer. */
  status = 200
  #server
  #waiting = []

  async start(path = '/hooks/hubspot?tenant=a%20b&x=1', port = 0) {
    this.#server = http.createServer(async (request, response) => {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const body = Buffer.concat(chunks).toString('utf8')
      this.deliveries.push({ method: request.method, path: request.url, headers: request.headers, body, events: JSON.parse(body) })
      if (this.status !== 0) response.writeHead(this.status).end()
      response.once('close', () => {
        if (response.writableEnded) return
        this.closed++
        this.#look()
      })
      this.#look()
    })
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.path = path
    this.url = `http://127.0.0.1:${this.#server.address().port}${path}`
  }

  async stop() {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  get events() {
    return this.deliveries.flatMap((delivery) => delivery.events)
  }

  #look() {
    for (const look of this.#waiting) look()
  }

  /** Waits until a look at what has come says that it is enough. */
  async until(enough, what, limit = 5000) {
    if (enough()) return
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        done()
        reject(new Error(`${what} did not come within ${limit} ms; there were ${JSON.stringify(this.events.map((e) => [e.subscriptionType, e.attemptNumber]))}`))
      }, limit)
      const look = () => {
        if (!enough()) return
        done()
        resolve()
      }
      const done = () => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter((other) => other !== look)
      }
      this.#waiting.push(look)
    })
  }
}
