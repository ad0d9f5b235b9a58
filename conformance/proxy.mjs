// Stands between the client and the simulator in the "dated" pass: it turns each
// legacy path into its dated form, so that the same client also tests the paths
// that it does not call yet. A path that the table lacks is refused: guessing
// would test the simulator's aliases again.
import http from 'node:http'

export const VERSION = '2026-09'

/** Legacy path → dated path. */
const PATHS = [
  { family: 'records', legacy: /^\/crm\/v3\/objects(?=\/)/, dated: `/crm/objects/${VERSION}` },
  { family: "a record's associations", legacy: /^\/crm\/v4\/objects(?=\/)/, dated: `/crm/objects/${VERSION}` },
  { family: 'associations in batches', legacy: /^\/crm\/v4\/associations(?=\/.+\/batch\/)/, dated: `/crm/associations/${VERSION}` },
  { family: 'association labels', legacy: /^\/crm\/(v4\/associations|associations\/v4)(?=\/.+\/labels(\/|$))/, dated: `/crm/associations/${VERSION}` },
  { family: 'properties', legacy: /^\/crm\/v3\/properties(?=\/)/, dated: `/crm/properties/${VERSION}` },
  { family: 'pipelines', legacy: /^\/crm\/v3\/pipelines(?=\/)/, dated: `/crm/pipelines/${VERSION}` },
  { family: 'owners', legacy: /^\/crm\/v3\/owners(?=\/|$)/, dated: `/crm/owners/${VERSION}` },
  { family: 'schemas of custom objects', legacy: /^\/(crm-object-schemas\/v3|crm\/v3)\/schemas(?=\/|$)/, dated: `/crm-object-schemas/${VERSION}/schemas` },
  { family: 'the token endpoint', legacy: /^\/oauth\/v[13]\/token$/, dated: `/oauth/${VERSION}/token` },
  { family: 'introspection', legacy: /^\/oauth\/v3\/token\/introspect$/, dated: `/oauth/${VERSION}/token/introspect` },
  { family: 'revocation', legacy: /^\/oauth\/v3\/token\/revoke$/, dated: `/oauth/${VERSION}/token/revoke` },
  { family: 'uninstalling', legacy: /^\/appinstalls\/v3\/external-install$/, dated: `/appinstalls/${VERSION}/external-install` },
  { family: "an app's webhooks", legacy: /^\/webhooks\/v3(?=\/)/, dated: `/webhooks/${VERSION}` },
  { family: 'account details', legacy: /^\/account-info\/v3\/details$/, dated: `/account-info/${VERSION}/details` },
]

/**
 * The v1 calls that name a token in the path have no dated twin: their successor
 * is a form with the app's credentials, which the proxy therefore has to know.
 * empty: v1 answered 204 where the successor answers 200.
 */
const TOKEN_PATHS = [
  { family: 'v1 token details, now introspection', method: 'GET', legacy: /^\/oauth\/v1\/(access|refresh)-tokens\/([^/]+)$/, dated: `/oauth/${VERSION}/token/introspect` },
  { family: 'v1 token deletion, now revocation', method: 'DELETE', legacy: /^\/oauth\/v1\/(refresh)-tokens\/([^/]+)$/, dated: `/oauth/${VERSION}/token/revoke`, empty: true },
]

/** These exist in their dated form only. */
const DATED_ONLY = new RegExp(`^/webhooks-journal/(journal|subscriptions)/${VERSION}(/|$)`)

export class DatedProxy {
  /** family → how often a path of it was rewritten. */
  counts = new Map([...PATHS, ...TOKEN_PATHS].map(({ family }) => [family, 0]))
  unknown = []
  #server

  constructor(target) {
    this.target = new URL(target)
  }

  async start() {
    this.#server = http.createServer((request, response) => this.#serve(request, response))
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.#server.address().port}`
  }

  async stop() {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** knowApp tells the credentials that a token's details are asked with. */
  knowApp({ clientId, clientSecret }) {
    this.app = { clientId, clientSecret }
  }

  #count(family) {
    this.counts.set(family, this.counts.get(family) + 1)
  }

  #rewrite(request) {
    const [path, query] = request.url.split('?')
    for (const { family, method, legacy, dated, empty } of TOKEN_PATHS) {
      const found = request.method === method && legacy.exec(path)
      if (!found) continue
      this.#count(family)
      const form = new URLSearchParams({
        client_id: this.app.clientId, client_secret: this.app.clientSecret,
        token: decodeURIComponent(found[2]), token_type_hint: `${found[1]}_token`,
      })
      return { method: 'POST', path: dated, form: form.toString(), empty }
    }
    const ending = query === undefined ? '' : `?${query}`
    for (const { family, legacy, dated } of PATHS) {
      if (!legacy.test(path)) continue
      this.#count(family)
      return { method: request.method, path: path.replace(legacy, dated) + ending }
    }
    if (DATED_ONLY.test(path)) return { method: request.method, path: path + ending }
    return null
  }

  #serve(request, response) {
    const to = this.#rewrite(request)
    if (to === null) {
      this.unknown.push(`${request.method} ${request.url.split('?')[0]}`)
      response.writeHead(500, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ status: 'error', message: 'The proxy knows no dated form of this path.' }))
      return
    }
    const headers = { ...request.headers, host: this.target.host }
    if (to.form !== undefined) {
      delete headers['transfer-encoding']
      headers['content-type'] = 'application/x-www-form-urlencoded'
      headers['content-length'] = Buffer.byteLength(to.form)
    }
    const onward = http.request({ host: this.target.hostname, port: this.target.port, method: to.method, path: to.path, headers })
    onward.on('response', (answer) => {
      if (to.empty && answer.statusCode === 200) {
        answer.resume()
        response.writeHead(204).end()
        return
      }
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
      // A connection that the simulator cuts is cut for the client, too.
      answer.on('error', () => response.destroy())
    })
    onward.on('error', () => response.destroy())
    if (to.form !== undefined) {
      request.resume()
      onward.end(to.form)
    } else {
      request.pipe(onward)
    }
  }
}
