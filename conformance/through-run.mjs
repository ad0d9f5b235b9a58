// What a program does that was written for HubSpot's own Node client, under
// `debrief run`: devstack/e2e/run_test.go runs it. It prints one line of JSON for each
// step, and waits for a line on standard input where somebody has to answer.
//
//   node through-run.mjs address|proxy
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import readline from 'node:readline'

const require = createRequire(import.meta.url)
const { Client } = require('@hubspot/api-client')
const byProxy = process.argv[2] === 'proxy'
const [major, minor] = process.versions.node.split('.').map(Number)
if (byProxy && !(major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21))) {
  // Newer ones follow HTTPS_PROXY by themselves, since NODE_USE_ENV_PROXY is set.
  const { EnvHttpProxyAgent, setGlobalDispatcher } = require('undici')
  setGlobalDispatcher(new EnvHttpProxyAgent())
}
const basePath = byProxy ? undefined : process.env.HUBSPOT_BASE_URL
const accessToken = process.env.HUBSPOT_ACCESS_TOKEN
const client = new Client({ accessToken, basePath })
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function step(name, call) {
  let said
  try {
    said = { name, status: 200, body: await call() }
  } catch (error) {
    said = { name, status: error.code, body: typeof error.body === 'string' ? JSON.parse(error.body) : error.body ?? { message: String(error), cause: String(error.cause) } }
  }
  console.log(JSON.stringify(said))
  return said.body
}

/** A request that the client has no method for. */
async function raw(name, method, path, { headers = {}, body } = {}) {
  const response = await fetch((basePath ?? 'https://api.hubapi.com') + path, {
    method, body, redirect: 'manual', headers: { authorization: `Bearer ${accessToken}`, ...headers },
  })
  console.log(JSON.stringify({ name, status: response.status, body: JSON.parse(await response.text()) }))
}

/** Everything that a program can find around itself without being told where. */
function found() {
  const seen = [JSON.stringify(process.env), process.argv.join('\n')]
  const look = (file) => {
    try {
      seen.push(file, readFileSync(file, 'latin1'))
    } catch { /* not there, or not for us */ }
  }
  const list = (directory) => {
    try {
      return readdirSync(directory).map((name) => join(directory, name))
    } catch {
      return []
    }
  }
  for (const file of ['environ', 'cmdline', 'maps', 'mountinfo']) look(`/proc/self/${file}`)
  for (const file of ['environ', 'cmdline']) look(`/proc/${process.ppid}/${file}`)
  for (const fd of list('/proc/self/fd')) {
    try {
      seen.push(readlinkSync(fd))
    } catch { /* closed meanwhile */ }
  }
  for (const file of list(dirname(process.env.NODE_EXTRA_CA_CERTS))) look(file)
  for (const directory of list(tmpdir()).filter((name) => name.includes('debrief-run-'))) list(directory).forEach(look)
  return { seen: seen.join('\n') }
}

const json = { 'content-type': 'application/json' }
const { contacts, deals, owners, associations, tickets } = client.crm

// Reads.
const byEmail = { filterGroups: [{ filters: [{ propertyName: 'email', operator: 'EQ', value: 'ines@harrowmills.example' }] }], properties: ['email', 'firstname'], limit: 5 }
const { results: [{ id }] } = await step('search', () => contacts.searchApi.doSearch(byEmail))
await step('get', () => contacts.basicApi.getById(id, ['email', 'jobtitle'], undefined, ['companies']))
await step('page', () => contacts.basicApi.getPage(10, undefined, ['email']))
await step('batch', () => contacts.batchApi.read({ properties: ['email'], propertiesWithHistory: [], inputs: [{ id }] }))
await step('owners', () => owners.ownersApi.getPage())
await step('properties', () => client.crm.properties.coreApi.getAll('contacts', false))
await step('pipelines', () => client.crm.pipelines.pipelinesApi.getAll('deals'))
await step('links', () => associations.v4.basicApi.getPage('contacts', Number(id), 'companies', undefined, 100))

// A write that is allowed, and what is refused.
await step('update', () => contacts.basicApi.update(id, { properties: { jobtitle: 'Head of Fleet' } }))
await step('denied', () => tickets.basicApi.create({ properties: { subject: 'Late bus' }, associations: [] }))
await step('archive', () => contacts.basicApi.archive(id))
await step('archive many', () => contacts.batchApi.archive({ inputs: [{ id }] }))
await step('forget', () => contacts.basicApi.purge({ objectId: id }))
await raw('delete', 'DELETE', `/crm/v3/objects/contacts/${id}`)
await raw('token', 'GET', `/oauth/v1/access-tokens/${accessToken}`)
await raw('refresh', 'POST', '/oauth/v1/token', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'grant_type=refresh_token&refresh_token=x' })
await raw('graphql', 'POST', '/collector/graphql', { headers: json, body: '{"query":"{ CRM { contact_collection { items { email } } } }"}' })
const form = new FormData()
form.set('file', new Blob(['notes']), 'notes.txt')
await raw('upload', 'POST', '/files/v3/files', { body: form })
await raw('other token', 'GET', `/crm/v3/objects/contacts/${id}`, { headers: { authorization: 'Bearer of-another' } })
await step('look', found)

// A write that somebody has to approve: the same call, before and after.
const deal = { properties: { dealname: 'Twelve buses', pipeline: 'default', dealstage: 'appointmentscheduled' }, associations: [{ to: { id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 3 }] }] }
await step('asked', () => deals.basicApi.create(deal))
await step('asked again', () => deals.basicApi.create(deal))
await lines.next()
await step('approved', () => deals.basicApi.create(deal))

// One that somebody rejects.
const other = { properties: { dealname: 'Thirteen buses', pipeline: 'default', dealstage: 'appointmentscheduled' }, associations: [] }
await step('asked for more', () => deals.basicApi.create(other))
await lines.next()
await step('rejected', () => deals.basicApi.create(other))
process.exit(0)
