// From the consent page to the uninstall.
import assert from 'node:assert/strict'
import { NINE_SCOPES, REDIRECT, SCHEMA_SCOPES, hubspot } from '../world.mjs'

const WRONG_ROLE = /You do not have the correct role to grant these permissions\. Please contact your administrator/

export default async function oauth({ it, world, simulator, proxy, pass }) {
  const w = await world()
  proxy?.knowApp(w.app)
  const { clientId, clientSecret } = w.app
  const { tokensApi, accessTokensApi, refreshTokensApi } = w.client.oauth
  const colleague = await w.addUser({ email: 'piotr@oakline.example', firstName: 'Piotr', lastName: 'Sand' })

  /** The client's own authorization URL, at the simulator instead of app.hubspot.com. */
  function authorizationUrl({ id = clientId, redirect = REDIRECT, scope = NINE_SCOPES, optional = SCHEMA_SCOPES, state = 'st-4711', portal } = {}) {
    const url = w.client.oauth.getAuthorizationUrl(id, redirect, scope.join(' '), optional.join(' '), state)
    const path = portal === undefined ? '/oauth/authorize' : `/oauth/${portal}/authorize`
    return url.replace('https://app.hubspot.com/oauth/authorize', simulator.url + path)
  }

  /** Opens the consent page, fills in its form and presses a button, as a browser does. */
  async function consent(url, { account = `${w.hub}:${w.admin.id}`, decision = 'connect' } = {}) {
    const page = await (await fetch(url, { redirect: 'manual' })).text()
    const action = /<form method="post" action="([^"]+)"/.exec(page)
    assert.ok(action, 'the page has no form')
    const form = new URLSearchParams()
    for (const [, name, value] of page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) form.set(name, unescape(value))
    assert.ok(page.includes(`<option value="${account}">`), `the page does not offer ${account}`)
    form.set('account', account)
    form.set('decision', decision)
    const answer = await fetch(new URL(action[1], url), { method: 'POST', body: form, redirect: 'manual' })
    const location = answer.headers.get('location')
    return { status: answer.status, page: await answer.text(), to: location && new URL(location) }
  }

  /** A page of HubSpot's own: HTML, an error, nobody sent back. */
  async function refusalPage(url) {
    const answer = await fetch(url, { redirect: 'manual' })
    assert.ok(answer.status >= 400, `status ${answer.status}`)
    assert.equal(answer.headers.get('location'), null)
    assert.match(answer.headers.get('content-type'), /^text\/html/)
    return answer.text()
  }

  async function newCode(options) {
    const { to } = await consent(authorizationUrl(options))
    return to.searchParams.get('code')
  }

  const exchange = (code, redirect = REDIRECT, secret = clientSecret, id = clientId) =>
    tokensApi.create('authorization_code', code, redirect, id, secret)
  const refresh = (token, secret = clientSecret, id = clientId) =>
    tokensApi.create('refresh_token', undefined, undefined, id, secret, token)

  // The consent page.

  it('the consent page names the app and each scope that it asks for', async () => {
    const page = await (await fetch(authorizationUrl())).text()
    assert.ok(page.includes('Conformance'))
    for (const scope of [...NINE_SCOPES, ...SCHEMA_SCOPES]) assert.ok(page.includes(scope), scope)
  })
  it('consent sends the browser to the redirect URI with a code', async () => {
    const { status, to } = await consent(authorizationUrl())
    assert.equal(status, 302)
    assert.equal(to.origin + to.pathname, REDIRECT)
    assert.ok(to.searchParams.get('code'))
    assert.equal(to.searchParams.get('error'), null)
  })
  it('the state comes back as it was sent', async () => {
    const { to } = await consent(authorizationUrl({ state: 'a b&c=d+e/é' }))
    assert.equal(to.searchParams.get('state'), 'a b&c=d+e/é')
  })
  it('an authorization URL with an account offers that account only', async () => {
    const page = await (await fetch(authorizationUrl({ portal: w.hub }))).text()
    const offered = [...page.matchAll(/<option value="(\d+):\d+">/g)].map(([, hub]) => Number(hub))
    assert.ok(offered.length > 0)
    assert.deepEqual([...new Set(offered)], [w.hub])
  })
  it("a user without the role to install gets HubSpot's own page, and no redirect", async () => {
    const { status, page, to } = await consent(authorizationUrl(), { account: `${w.hub}:${colleague.id}` })
    assert.equal(to, null)
    assert.ok(status >= 400)
    assert.match(page, WRONG_ROLE)
  })
  it('a user with the right to install apps may connect without being super admin', async () => {
    const installer = await w.addUser({ email: 'lena@oakline.example', installApps: true })
    const { to } = await consent(authorizationUrl(), { account: `${w.hub}:${installer.id}` })
    assert.ok(to.searchParams.get('code'))
  })
  it('an account whose plan lacks a required scope gets the same page as a missing role', async () => {
    const small = await world({ portal: { unavailableScopes: ['crm.objects.deals.write'] } })
    const { page, to } = await consent(authorizationUrl({ id: small.app.clientId }), { account: `${small.hub}:${small.admin.id}` })
    assert.equal(to, null)
    assert.match(page, WRONG_ROLE)
  })
  it('an optional scope that the plan lacks is dropped without a word', async () => {
    const small = await world({ portal: { unavailableScopes: ['crm.schemas.custom.write'] } })
    const { to } = await consent(authorizationUrl({ id: small.app.clientId }), { account: `${small.hub}:${small.admin.id}` })
    await exchange(to.searchParams.get('code'), REDIRECT, small.app.clientSecret, small.app.clientId)
    const scopes = w.last.body.scopes
    assert.deepEqual([...scopes].sort(), [...NINE_SCOPES, ...SCHEMA_SCOPES].filter((s) => s !== 'crm.schemas.custom.write').sort())
  })
  it("a redirect URI that is not registered ends on HubSpot's own page", async () => {
    await refusalPage(authorizationUrl({ redirect: 'https://elsewhere.example/callback' }))
  })
  it("an authorization URL that lacks a required scope ends on HubSpot's own page", async () => {
    assert.match(await refusalPage(authorizationUrl({ scope: NINE_SCOPES.filter((s) => s !== 'tickets') })), /scopes/)
  })
  it("an authorization URL with a scope that the app does not have ends on HubSpot's own page", async () => {
    assert.match(await refusalPage(authorizationUrl({ scope: [...NINE_SCOPES, 'files'] })), /scopes/)
  })
  it("an unknown client ID ends on HubSpot's own page", async () => {
    await refusalPage(authorizationUrl({ id: 'nobody' }))
  })
  it('cancelling goes back with error=access_denied and the state, and no code', async () => {
    const { to } = await consent(authorizationUrl(), { decision: 'cancel' })
    assert.equal(to.searchParams.get('error'), 'access_denied')
    assert.equal(to.searchParams.get('state'), 'st-4711')
    assert.equal(to.searchParams.get('code'), null)
  })
  it('cancelling can end on a page instead, as HubSpot says nothing of it', async () => {
    const other = await world({ settings: { cancelShowsPage: true } })
    const { to } = await consent(authorizationUrl({ id: other.app.clientId }), { account: `${other.hub}:${other.admin.id}`, decision: 'cancel' })
    assert.equal(to, null)
  })

  // Tokens.

  it('a code is exchanged for an access token of 30 minutes and a refresh token', async () => {
    const tokens = await exchange(await newCode())
    assert.equal(tokens.tokenType, 'bearer')
    assert.equal(tokens.expiresIn, 1800)
    assert.ok(tokens.accessToken.length > 0)
    assert.ok(tokens.refreshToken.length > 0)
  })
  it('a token response names the account, the user, the scopes and its use', async () => {
    await exchange(await newCode())
    const { hub_id, user_id, scopes, token_use } = w.last.body
    assert.deepEqual({ hub_id, user_id, token_use }, { hub_id: w.hub, user_id: w.admin.id, token_use: 'access_token' })
    assert.deepEqual([...scopes].sort(), [...NINE_SCOPES, ...SCHEMA_SCOPES].sort())
  })
  it('scopes that were not asked for are not granted', async () => {
    await exchange(await newCode({ optional: [] }))
    assert.deepEqual([...w.last.body.scopes].sort(), [...NINE_SCOPES].sort())
  })
  it("a refresh token names its hublet", async () => {
    assert.match((await exchange(await newCode())).refreshToken, /^na1-/)
  })
  it('an exchanged token calls the API', async () => {
    const { accessToken } = await exchange(await newCode())
    const page = await w.clientWith(accessToken).crm.owners.ownersApi.getPage()
    assert.ok(page.results.some((owner) => owner.email === 'nadia@oakline.example'))
  })
  it('a code works once', async () => {
    const code = await newCode()
    await exchange(code)
    const { status, body } = await w.refused(exchange(code))
    assert.equal(status, 400)
    assert.equal(body.error, 'invalid_grant')
    assert.equal(body.status, 'BAD_AUTH_CODE')
  })
  it('a code is bound to the redirect URI that it was asked with', async () => {
    const { status, body } = await w.refused(exchange(await newCode(), 'https://debrief.example/other'))
    assert.equal(status, 400)
    assert.equal(body.status, 'BAD_REDIRECT_URI')
  })
  it('a code is bound to its app', async () => {
    const other = await world()
    const { status, body } = await w.refused(exchange(await newCode(), REDIRECT, other.app.clientSecret, other.app.clientId))
    assert.equal(status, 400)
    assert.equal(body.status, 'BAD_AUTH_CODE')
  })
  it('a code is forgotten after a short while', async () => {
    const code = await newCode()
    await simulator.advance('1h')
    assert.equal((await w.refused(exchange(code))).body.status, 'BAD_AUTH_CODE')
  })
  it('a wrong client secret is invalid_client', async () => {
    const { status, body } = await w.refused(exchange(await newCode(), REDIRECT, 'wrong'))
    assert.deepEqual([status, body.error, body.status], [400, 'invalid_client', 'BAD_CLIENT_SECRET'])
  })
  it('an unknown client ID is invalid_client', async () => {
    const { status, body } = await w.refused(exchange('x', REDIRECT, clientSecret, 'nobody'))
    assert.deepEqual([status, body.error, body.status], [400, 'invalid_client', 'BAD_CLIENT_ID'])
  })
  it('an unknown grant type is refused as such', async () => {
    const { status, body } = await w.refused(tokensApi.create('password', undefined, undefined, clientId, clientSecret))
    assert.deepEqual([status, body.error, body.status], [400, 'unsupported_grant_type', 'BAD_GRANT_TYPE'])
  })
  it('parameters in the query do not count at the token endpoint', async () => {
    const query = new URLSearchParams({ grant_type: 'refresh_token', client_id: clientId, client_secret: clientSecret, refresh_token: w.refreshToken })
    const { status } = await w.form(`/oauth/v3/token?${query}`, {})
    assert.ok(status >= 400 && status < 500, `status ${status}`)
  })
  it('the token endpoint takes a form and not JSON', async () => {
    const body = { grant_type: 'refresh_token', client_id: clientId, client_secret: clientSecret, refresh_token: w.refreshToken }
    const { status } = await w.call('POST', '/oauth/v3/token', body)
    assert.ok(status >= 400 && status < 500, `status ${status}`)
  })
  it('a refresh gives another access token and the same refresh token', async () => {
    const first = await exchange(await newCode())
    const second = await refresh(first.refreshToken)
    assert.equal(second.refreshToken, first.refreshToken)
    assert.notEqual(second.accessToken, first.accessToken)
    assert.equal(second.expiresIn, 1800)
  })
  it('a refresh token can rotate, which HubSpot keeps open: the old one ends', async () => {
    const other = await world({ app: { rotateRefreshTokens: true } })
    const { refreshToken } = await refresh(other.refreshToken, other.app.clientSecret, other.app.clientId)
    assert.notEqual(refreshToken, other.refreshToken)
    assert.equal((await w.refused(refresh(other.refreshToken, other.app.clientSecret, other.app.clientId))).body.status, 'BAD_REFRESH_TOKEN')
    await refresh(refreshToken, other.app.clientSecret, other.app.clientId)
  })
  it('a dead refresh token is told by invalid_grant, BAD_REFRESH_TOKEN and a sentence twice', async () => {
    const { status, body } = await w.refused(refresh('na1-unknown'))
    assert.equal(status, 400)
    const sentence = 'refresh token is invalid, expired or revoked'
    assert.deepEqual(body, { error: 'invalid_grant', error_description: sentence, status: 'BAD_REFRESH_TOKEN', message: sentence })
  })
  it('the details of an access token name app, account, user and domain', async () => {
    const { accessToken } = await exchange(await newCode())
    const info = await accessTokensApi.get(accessToken)
    assert.equal(info.hubId, w.hub)
    assert.equal(info.userId, w.admin.id)
    assert.equal(info.appId, w.app.appId)
    assert.equal(info.user, 'nadia@oakline.example')
    assert.equal(info.hubDomain, 'oakline.example')
    assert.deepEqual([...info.scopes].sort(), [...NINE_SCOPES, ...SCHEMA_SCOPES].sort())
  })
  it('the details of an access token say how long it lives', async () => {
    const { accessToken } = await exchange(await newCode())
    await simulator.advance('10m')
    const { expiresIn } = await accessTokensApi.get(accessToken)
    assert.ok(expiresIn > 1170 && expiresIn <= 1200, `expires in ${expiresIn}`)
  })
  it('the details of a refresh token name the account and the scopes', async () => {
    const info = await refreshTokensApi.get(w.refreshToken)
    assert.equal(info.hubId, w.hub)
    assert.equal(info.userId, w.admin.id)
    assert.ok(info.scopes.includes('tickets'))
  })

  // Introspection and revocation.

  const introspect = (token, hint) =>
    w.form('/oauth/v3/token/introspect', { client_id: clientId, client_secret: clientSecret, token, token_type_hint: hint })

  it('introspecting an access token says that it is active, whose and for what', async () => {
    const { accessToken } = await exchange(await newCode())
    const { status, body } = await introspect(accessToken, 'access_token')
    assert.equal(status, 200)
    assert.deepEqual(
      [body.active, body.hub_id, body.user_id, body.client_id, body.app_id, body.user, body.hub_domain, body.token_use, body.token_type, body.is_private_distribution],
      [true, w.hub, w.admin.id, clientId, w.app.appId, 'nadia@oakline.example', 'oakline.example', 'access_token', 'Bearer', false])
    assert.equal(body.token, accessToken)
  })
  it('introspecting an access token of an account-level app says isUserLevel false', async () => {
    const { accessToken } = await exchange(await newCode())
    const { body } = await introspect(accessToken, 'access_token')
    assert.equal(body.signed_access_token.isUserLevel, false)
    assert.equal(body.signed_access_token.hubId, w.hub)
  })
  it('introspecting a refresh token tells it apart from an access token', async () => {
    const { body } = await introspect(w.refreshToken, 'refresh_token')
    assert.deepEqual([body.active, body.token_use, body.hub_id], [true, 'refresh_token', w.hub])
  })
  it('introspecting an unknown token is a 200 that says only that it is not active', async () => {
    const { status, body } = await introspect('unknown', 'access_token')
    assert.equal(status, 200)
    assert.deepEqual(body, { active: false })
  })
  it('revoking a refresh token ends it', async () => {
    const { refreshToken } = await exchange(await newCode())
    const { status } = await w.form('/oauth/v3/token/revoke', { client_id: clientId, client_secret: clientSecret, token: refreshToken, token_type_hint: 'refresh_token' })
    assert.equal(status, 200)
    assert.deepEqual((await introspect(refreshToken, 'refresh_token')).body, { active: false })
    assert.equal((await w.refused(refresh(refreshToken))).body.status, 'BAD_REFRESH_TOKEN')
  })
  it("the client's own deletion of a refresh token ends it, too", async () => {
    const { refreshToken } = await exchange(await newCode())
    await refreshTokensApi.archive(refreshToken)
    const { status, body } = await w.refused(refresh(refreshToken))
    assert.deepEqual([status, body.error, body.status], [400, 'invalid_grant', 'BAD_REFRESH_TOKEN'])
  })
  it('an access token outlives the revocation of its refresh token', async () => {
    const { accessToken, refreshToken } = await exchange(await newCode())
    await refreshTokensApi.archive(refreshToken)
    const page = await w.clientWith(accessToken).crm.owners.ownersApi.getPage()
    assert.ok(page.results.length > 0)
  })

  // What the API says to a token.

  it('a call without a token is told that credentials were not found', async () => {
    const { status, body } = await w.refused(w.clientWith(undefined).crm.contacts.basicApi.getPage())
    assert.deepEqual([status, body.category, body.message, body.status], [401, 'INVALID_AUTHENTICATION', 'Authentication credentials not found.', 'error'])
  })
  it('an access token works until its 30 minutes are over', async () => {
    const { accessToken } = await exchange(await newCode())
    await simulator.advance('29m50s')
    await w.clientWith(accessToken).crm.contacts.basicApi.getPage()
  })
  it('an expired token is told so, with the seconds since and the time', async () => {
    const { accessToken } = await exchange(await newCode())
    await simulator.advance('31m15s')
    const { status, body } = await w.refused(w.clientWith(accessToken).crm.contacts.basicApi.getPage())
    assert.deepEqual([status, body.category, body.status], [401, 'EXPIRED_AUTHENTICATION', 'error'])
    const [, seconds] = /^The OAuth token used to make this call expired (\d+) second\(s\) ago\.$/.exec(body.message)
    assert.ok(seconds >= 75 && seconds < 85, `${seconds} seconds`)
    const { now } = await simulator.control('GET', 'clock')
    const ago = Date.parse(now) - Date.parse(body.context['expire time'][0])
    assert.ok(ago >= 75_000 && ago < 85_000, `${ago} ms`)
  })
  it('a token that cannot be read counts as expired since 1970', async () => {
    const { status, body } = await w.refused(w.clientWith('not-a-token').crm.contacts.basicApi.getPage())
    assert.deepEqual([status, body.category], [401, 'EXPIRED_AUTHENTICATION'])
    const { now } = await simulator.control('GET', 'clock')
    assert.equal(body.message, `The OAuth token used to make this call expired ${Math.floor(Date.parse(now) / 86_400_000)} day(s) ago.`)
    assert.equal(body.context['expire time'][0].slice(0, 4), '1970')
  })
  it('a missing scope is a 403 that lists the scopes of which one is needed', async () => {
    const narrow = await world()
    await narrow.connect({ scopes: ['oauth', 'crm.objects.contacts.read'] })
    const { status, body } = await narrow.refused(narrow.crm.deals.basicApi.getPage())
    assert.deepEqual([status, body.category], [403, 'MISSING_SCOPES'])
    assert.match(body.message, /^This app hasn't been granted all required scopes to make this call\./)
    assert.ok(body.errors[0].context.requiredGranularScopes.includes('crm.objects.deals.read'))
    assert.equal(body.links.scopes, 'https://developers.hubspot.com/scopes')
  })
  it('a read scope does not write', async () => {
    const narrow = await world()
    await narrow.connect({ scopes: ['oauth', 'crm.objects.contacts.read'] })
    await narrow.crm.contacts.basicApi.getPage()
    const { status, body } = await narrow.refused(narrow.crm.contacts.basicApi.create({ properties: { lastname: 'Voss' } }))
    assert.deepEqual([status, body.errors[0].context.requiredGranularScopes.includes('crm.objects.contacts.write')], [403, true])
  })
  it("the scopes of contacts are enough for a contact's notes, tasks and meetings", async () => {
    const narrow = await world()
    await narrow.connect({ scopes: ['oauth', 'crm.objects.contacts.read', 'crm.objects.contacts.write'] })
    for (const type of ['notes', 'tasks', 'meetings']) {
      await narrow.crm.objects.basicApi.create(type, { properties: { hs_timestamp: '2026-11-20T09:00:00Z' } })
    }
  })
  it('the nine scopes do not create a property, the schema scope does', async () => {
    const narrow = await world()
    const property = { name: 'debrief_key', label: 'Key', type: 'string', fieldType: 'text', groupName: 'contactinformation', hasUniqueValue: true }
    await narrow.connect({ scopes: NINE_SCOPES })
    const { status, body } = await narrow.refused(narrow.crm.properties.coreApi.create('contacts', property))
    assert.equal(status, 403)
    assert.ok(body.errors[0].context.requiredGranularScopes.includes('crm.schemas.contacts.write'))
    await narrow.connect({ scopes: [...NINE_SCOPES, 'crm.schemas.contacts.write'] })
    assert.equal((await narrow.crm.properties.coreApi.create('contacts', property)).name, 'debrief_key')
  })

  // User-level installs.

  it('a token of a user-level app is told apart by introspection', async () => {
    const other = await world({ app: { userLevel: true } })
    const { body } = await w.form('/oauth/v3/token/introspect', { client_id: other.app.clientId, client_secret: other.app.clientSecret, token: other.accessToken })
    assert.equal(body.signed_access_token.isUserLevel, true)
  })
  it("a user-level app may do what its user may, whatever the app's scopes", async () => {
    const other = await world({ app: { userLevel: true } })
    const user = await other.addUser({ email: 'ivo@oakline.example', superAdmin: true, deniedScopes: ['crm.objects.deals.read', 'crm.objects.deals.write'] })
    await other.connect({ user })
    await other.crm.contacts.basicApi.getPage()
    assert.equal((await other.refused(other.crm.deals.basicApi.getPage())).status, 403)
  })
  it('a user-level app may not write a property that its user may not edit', async () => {
    const other = await world({ app: { userLevel: true } })
    const user = await other.addUser({ email: 'ivo@oakline.example', superAdmin: true, readOnlyProperties: ['contacts.jobtitle'] })
    await other.connect({ user })
    const { status, body } = await other.refused(other.crm.contacts.basicApi.create({ properties: { lastname: 'Voss', jobtitle: 'Buyer' } }))
    assert.equal(status, 400)
    assert.match(body.message, /jobtitle/)
    await other.crm.contacts.basicApi.create({ properties: { lastname: 'Voss' } })
  })
  it('a user-level app does not see a property that its user may not see', async () => {
    const other = await world({ app: { userLevel: true } })
    const user = await other.addUser({ email: 'ivo@oakline.example', superAdmin: true, hiddenProperties: ['contacts.phone'] })
    const { id } = await other.seed('contacts', { lastname: 'Voss', phone: '+351 210 000 000' })
    await other.connect({ user })
    const { properties } = await other.crm.contacts.basicApi.getById(id, ['phone', 'lastname'])
    assert.deepEqual([properties.phone ?? null, properties.lastname], [null, 'Voss'])
  })
  if (pass === 'dated') {
    it('from 2026-09 on a user-level app needs its user to be allowed to edit associations', async () => {
      const other = await world({ app: { userLevel: true } })
      const user = await other.addUser({ email: 'ivo@oakline.example', superAdmin: true, noAssociations: true })
      const [contact, company] = [await other.seed('contacts', { lastname: 'A' }), await other.seed('companies', { name: 'B' })]
      await other.connect({ user })
      const { basicApi } = other.crm.associations.v4
      assert.equal((await other.refused(basicApi.createDefault('contacts', contact.id, 'companies', company.id))).status, 403)
      assert.deepEqual((await basicApi.getPage('contacts', contact.id, 'companies')).results, [])
    })
  }
  it('what an account-level app may do does not depend on who connected it', async () => {
    const other = await world()
    const user = await other.addUser({ email: 'ivo@oakline.example', superAdmin: true, deniedScopes: ['crm.objects.deals.read'] })
    await other.connect({ user })
    await other.crm.deals.basicApi.getPage()
  })

  // The end.

  it('an app uninstalls itself with a 204', async () => {
    const other = await world()
    assert.equal((await other.call('DELETE', '/appinstalls/v3/external-install')).status, 204)
  })
  it('after an uninstall a refresh is told BAD_REFRESH_TOKEN', async () => {
    const other = await world()
    await other.call('DELETE', '/appinstalls/v3/external-install')
    const { status, body } = await w.refused(refresh(other.refreshToken, other.app.clientSecret, other.app.clientId))
    assert.deepEqual([status, body.error, body.status], [400, 'invalid_grant', 'BAD_REFRESH_TOKEN'])
  })
  it('when the customer uninstalls, a refresh is told BAD_REFRESH_TOKEN', async () => {
    const other = await world()
    await simulator.control('POST', `portals/${other.hub}/uninstall`, { clientId: other.app.clientId })
    assert.equal((await w.refused(refresh(other.refreshToken, other.app.clientSecret, other.app.clientId))).body.status, 'BAD_REFRESH_TOKEN')
  })
  it('an account that is gone is told BAD_HUB, as access_denied', async () => {
    const other = await world()
    await simulator.control('DELETE', `portals/${other.hub}`)
    const { status, body } = await w.refused(refresh(other.refreshToken, other.app.clientSecret, other.app.clientId))
    assert.deepEqual([status, body.error, body.status], [400, 'access_denied', 'BAD_HUB'])
  })
  it('an uninstall in one account leaves the others connected', async () => {
    const second = await simulator.control('POST', 'portals', { hubId: 800000 + w.hub, name: 'Second', domain: 'second.example' })
    const boss = await simulator.control('POST', `portals/${second.hubId}/users`, { email: 'kai@second.example', superAdmin: true })
    const grant = await simulator.control('POST', 'token', { clientId, hubId: second.hubId, userId: boss.id, scopes: [] })
    await simulator.control('POST', `portals/${second.hubId}/uninstall`, { clientId })
    assert.equal((await w.refused(refresh(grant.refreshToken))).body.status, 'BAD_REFRESH_TOKEN')
    assert.equal((await refresh(w.refreshToken)).refreshToken, w.refreshToken)
  })
  it('after a reconnect the account can be called again', async () => {
    const other = await world()
    await simulator.control('POST', `portals/${other.hub}/uninstall`, { clientId: other.app.clientId })
    const { to } = await consent(authorizationUrl({ id: other.app.clientId }), { account: `${other.hub}:${other.admin.id}` })
    const tokens = await exchange(to.searchParams.get('code'), REDIRECT, other.app.clientSecret, other.app.clientId)
    await new hubspot.Client({ basePath: w.base, accessToken: tokens.accessToken }).crm.contacts.basicApi.getPage()
  })
}

function unescape(text) {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(code)).replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(parseInt(code, 16)))
    .replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&')
}
