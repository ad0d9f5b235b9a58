// What a topic's checks work with: an app, an account, a user, and the client
// connected to them.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

export const hubspot = createRequire(import.meta.url)('@hubspot/api-client')

export const REDIRECT = 'https://debrief.example/callback'

export const NINE_SCOPES = [
  'oauth', 'crm.objects.contacts.read', 'crm.objects.contacts.write', 'crm.objects.companies.read', 'crm.objects.companies.write',
  'crm.objects.deals.read', 'crm.objects.deals.write', 'crm.objects.owners.read', 'tickets',
]

export const SCHEMA_SCOPES = [
  'crm.schemas.contacts.write', 'crm.schemas.companies.write', 'crm.schemas.deals.write',
  'crm.schemas.custom.read', 'crm.schemas.custom.write', 'crm.objects.custom.read', 'crm.objects.custom.write',
]

let number = 0

/** World is one account of a simulator, and who calls it. */
export class World {
  /**
   * base is where the client calls: the simulator, or the proxy before it.
   * Limits are off, as only their own topic wants to meet them.
   */
  static async create(simulator, base, { app = {}, portal = {}, settings = { noRateLimits: true } } = {}) {
    const world = new World()
    world.simulator = simulator
    world.base = base
    number++
    world.app = await simulator.control('POST', 'apps', {
      clientId: `app-${number}`, clientSecret: `secret-of-app-${number}`, appId: 5000 + number, name: 'Conformance',
      redirectUris: [REDIRECT], requiredScopes: NINE_SCOPES, optionalScopes: SCHEMA_SCOPES, ...app,
    })
    world.portal = await simulator.control('POST', 'portals', {
      hubId: 900000 + number, name: 'Oakline', domain: 'oakline.example', currency: 'EUR', timeZone: 'Europe/Lisbon', settings, ...portal,
    })
    world.hub = world.portal.hubId
    world.admin = await world.addUser({ email: 'nadia@oakline.example', firstName: 'Nadia', lastName: 'Brandt', superAdmin: true })
    await world.connect()
    return world
  }

  addUser(user) {
    return this.simulator.control('POST', `portals/${this.hub}/users`, user)
  }

  configure(settings) {
    return this.simulator.control('PATCH', `portals/${this.hub}/settings`, settings)
  }

  /** Puts a record there as somebody in HubSpot would have; search knows it at once. */
  seed(type, properties, associations) {
    return this.simulator.control('POST', `portals/${this.hub}/records/${type}`, { properties, associations })
  }

  /** Lists every record of a type, whoever may see it. */
  records(type) {
    return this.simulator.control('GET', `portals/${this.hub}/records/${type}`)
  }

  async writes() {
    return this.simulator.control('GET', `writes?hub=${this.hub}`)
  }

  /** Makes the account's next calls of a path go wrong. */
  fault(fault) {
    return this.simulator.control('POST', 'faults', { hubId: this.hub, ...fault })
  }

  /** Gets new tokens, with all of the app's scopes or with these. */
  async connect({ user = this.admin, scopes = [] } = {}) {
    const { accessToken, refreshToken } = await this.simulator.control('POST', 'token', {
      clientId: this.app.clientId, hubId: this.hub, userId: user.id, scopes,
    })
    this.refreshToken = refreshToken
    this.useToken(accessToken)
  }

  useToken(accessToken) {
    this.accessToken = accessToken
    this.client = this.clientWith(accessToken)
    this.crm = this.client.crm
  }

  /**
   * The client as it is, its own retries and limiter left off. The middleware
   * only looks: the client's models drop what HubSpot's documents do not name.
   */
  clientWith(accessToken) {
    return new hubspot.Client({
      basePath: this.base, accessToken, numberOfApiCallRetries: 0,
      middleware: [{
        pre: (context) => context,
        post: async (context) => {
          this.last = answer(context.httpStatusCode, context.headers, await context.body.text())
          return context
        },
      }],
    })
  }

  /** Sends what the client has no method for, through the client. */
  async call(method, path, body, headers) {
    const response = await this.client.apiRequest({ method, path, body, headers })
    return answer(response.status, Object.fromEntries(response.headers), await response.text())
  }

  /** Posts a form without a bearer token, as the token endpoints want it. */
  async form(path, fields, headers = { 'Content-Type': 'application/x-www-form-urlencoded' }) {
    const response = await this.clientWith(undefined).apiRequest({
      method: 'POST', path, defaultJson: false, headers, body: new URLSearchParams(fields).toString(),
    })
    return answer(response.status, Object.fromEntries(response.headers), await response.text())
  }

  /** What the client threw for a call that HubSpot refused, with the answer as it came. */
  async refused(promise) {
    this.last = undefined
    try {
      await promise
    } catch (error) {
      if (this.last === undefined) throw error
      return { ...this.last, code: error.code }
    }
    assert.fail('HubSpot took the call; it should have been refused')
  }
}

function answer(status, headers, text) {
  let body
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  return { status, headers, text, body }
}

/** The problems that the message of a refused write embeds as JSON. */
export function embeddedProblems(message) {
  const found = /^Property values were not valid: (\[.*\])$/s.exec(message)
  assert.ok(found, `the message embeds no list of problems: ${message}`)
  return JSON.parse(found[1])
}

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
export const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
export const DIGITS = /^\d+$/
