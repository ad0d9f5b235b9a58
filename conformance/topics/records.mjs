// Contacts, companies, deals, tickets, notes, tasks, meetings and a custom
// object, one at a time.
import assert from 'node:assert/strict'
import { DIGITS, ISO_TIME, UUID, embeddedProblems } from '../world.mjs'

export default async function records({ it, world, simulator, pass }) {
  const w = await world()
  const { contacts, companies, deals, tickets, objects } = w.crm
  const contact = (properties, associations) => contacts.basicApi.create({ properties, associations })
  const missing = async (promise) => {
    const { status } = await w.refused(promise)
    assert.equal(status, 404)
  }

  // Contacts.

  it('a created contact is a 201 with its ID, times and properties', async () => {
    const made = await contact({ email: 'ada@alder.example', firstname: 'Ada', lastname: 'Reyes' })
    assert.equal(w.last.status, 201)
    assert.match(made.id, DIGITS)
    assert.match(w.last.body.createdAt, ISO_TIME)
    assert.match(w.last.body.updatedAt, ISO_TIME)
    assert.equal(made.archived, false)
    assert.equal(made.properties.email, 'ada@alder.example')
    assert.equal(made.properties.hs_object_id, made.id)
  })
  it('a contact needs no property at all', async () => {
    assert.match((await contact({})).id, DIGITS)
  })
  it("an e-mail address is stored in small letters", async () => {
    assert.equal((await contact({ email: 'Bo.Hale@Alder.Example' })).properties.email, 'bo.hale@alder.example')
  })
  it('a read without a list of properties returns the usual six', async () => {
    const made = await contact({ email: 'usual@alder.example', firstname: 'U', lastname: 'L', jobtitle: 'Buyer' })
    await contacts.basicApi.getById(made.id)
    assert.deepEqual(Object.keys(w.last.body.properties).sort(), ['createdate', 'email', 'firstname', 'hs_object_id', 'lastmodifieddate', 'lastname'])
  })
  it('a read returns the properties that it names', async () => {
    const made = await contact({ email: 'named@alder.example', jobtitle: 'Buyer', phone: '+351 210 000 000' })
    const read = await contacts.basicApi.getById(made.id, ['jobtitle', 'phone'])
    assert.equal(read.properties.jobtitle, 'Buyer')
    assert.equal(read.properties.phone, '+351 210 000 000')
  })
  it('a property that is asked for and not set is null', async () => {
    const made = await contact({ email: 'unset@alder.example' })
    assert.equal((await contacts.basicApi.getById(made.id, ['jobtitle'])).properties.jobtitle, null)
  })
  it('a property that is not set can be absent instead, as the guides differ', async () => {
    const other = await world({ settings: { noRateLimits: true, omitUnset: true } })
    const { id } = await other.crm.contacts.basicApi.create({ properties: { lastname: 'Bare' } })
    assert.equal('jobtitle' in (await other.crm.contacts.basicApi.getById(id, ['jobtitle'])).properties, false)
  })
  it('a property that does not exist is left out of a read', async () => {
    const made = await contact({ email: 'left-out@alder.example' })
    const { properties } = await contacts.basicApi.getById(made.id, ['favourite_fruit', 'email'])
    assert.equal('favourite_fruit' in properties, false)
    assert.equal(properties.email, 'left-out@alder.example')
  })
  it('a contact is found by its e-mail address through idProperty', async () => {
    const made = await contact({ email: 'by-mail@alder.example' })
    const read = await contacts.basicApi.getById('by-mail@alder.example', undefined, undefined, undefined, false, 'email')
    assert.equal(read.id, made.id)
  })
  it('an idProperty that is not unique is refused', async () => {
    const { status } = await w.refused(contacts.basicApi.getById('Ada', undefined, undefined, undefined, false, 'firstname'))
    assert.equal(status, 400)
  })
  it('a contact that does not exist is a 404 with OBJECT_NOT_FOUND', async () => {
    const { status, body } = await w.refused(contacts.basicApi.getById('999'))
    assert.deepEqual([status, body.status, body.category], [404, 'error', 'OBJECT_NOT_FOUND'])
  })
  it('an update changes what it names and keeps the rest', async () => {
    const made = await contact({ email: 'upd@alder.example', firstname: 'Una', lastname: 'Park' })
    await contacts.basicApi.update(made.id, { properties: { lastname: 'Parker' } })
    const read = await contacts.basicApi.getById(made.id)
    assert.deepEqual([read.properties.firstname, read.properties.lastname], ['Una', 'Parker'])
  })
  it('an update moves updatedAt and lastmodifieddate, and not createdAt', async () => {
    const made = await contact({ email: 'times@alder.example' })
    await simulator.advance('3s')
    await contacts.basicApi.update(made.id, { properties: { lastname: 'Late' } })
    const read = await contacts.basicApi.getById(made.id)
    assert.ok(read.updatedAt - made.updatedAt >= 3000)
    assert.equal(read.createdAt.getTime(), made.createdAt.getTime())
    assert.ok(Date.parse(read.properties.lastmodifieddate) - made.updatedAt >= 3000)
  })
  it('a contact is updated by its e-mail address through idProperty', async () => {
    const made = await contact({ email: 'upd-mail@alder.example' })
    const updated = await contacts.basicApi.update('upd-mail@alder.example', { properties: { firstname: 'Tess' } }, 'email')
    assert.equal(updated.id, made.id)
  })
  it('an empty value clears a property', async () => {
    const made = await contact({ email: 'clear@alder.example', jobtitle: 'Buyer' })
    await contacts.basicApi.update(made.id, { properties: { jobtitle: '' } })
    assert.ok(!(await contacts.basicApi.getById(made.id, ['jobtitle'])).properties.jobtitle)
  })
  it('an update of what does not exist is a 404', () => missing(contacts.basicApi.update('999', { properties: { lastname: 'X' } })))
  it('propertiesWithHistory lists the values, the newest first, with when and whence', async () => {
    const made = await contact({ email: 'hist@alder.example', jobtitle: 'Clerk' })
    await simulator.advance('2s')
    await contacts.basicApi.update(made.id, { properties: { jobtitle: 'Head clerk' } })
    await contacts.basicApi.getById(made.id, undefined, ['jobtitle'])
    const versions = w.last.body.propertiesWithHistory.jobtitle
    assert.deepEqual(versions.map((v) => v.value), ['Head clerk', 'Clerk'])
    for (const v of versions) {
      assert.match(v.timestamp, ISO_TIME)
      assert.equal(v.sourceType, 'INTEGRATION')
    }
  })
  it('a record says that an integration made it, and which', async () => {
    const made = await contact({ email: 'source@alder.example' })
    const { properties } = await contacts.basicApi.getById(made.id, ['hs_object_source', 'hs_object_source_id', 'hs_object_source_detail_1'])
    assert.equal(properties.hs_object_source, 'INTEGRATION')
    assert.equal(properties.hs_object_source_id, String(w.app.appId))
    assert.equal(properties.hs_object_source_detail_1, 'Conformance')
  })
  it('a record of a user-level app says which user made it', async () => {
    const other = await world({ app: { userLevel: true } })
    const made = await other.crm.contacts.basicApi.create({ properties: { lastname: 'Moss' } })
    const { properties } = await other.crm.contacts.basicApi.getById(made.id, ['hs_object_source_user_id'])
    assert.equal(properties.hs_object_source_user_id, String(other.admin.id))
  })
  it('archiving is a 204, and the contact is gone from reads', async () => {
    const made = await contact({ email: 'arch@alder.example' })
    await contacts.basicApi.archive(made.id)
    assert.equal(w.last.status, 204)
    await missing(contacts.basicApi.getById(made.id))
  })
  it('an archived contact is read with archived=true, and says since when', async () => {
    const made = await contact({ email: 'arch2@alder.example' })
    await contacts.basicApi.archive(made.id)
    const read = await contacts.basicApi.getById(made.id, undefined, undefined, undefined, true)
    assert.equal(read.archived, true)
    assert.match(w.last.body.archivedAt, ISO_TIME)
  })
  it('the e-mail address of an archived contact is free again', async () => {
    const first = await contact({ email: 'again@alder.example' })
    await contacts.basicApi.archive(first.id)
    assert.notEqual((await contact({ email: 'again@alder.example' })).id, first.id)
  })
  it('an archived contact takes no update', async () => {
    const made = await contact({ email: 'arch3@alder.example' })
    await contacts.basicApi.archive(made.id)
    await missing(contacts.basicApi.update(made.id, { properties: { lastname: 'X' } }))
  })

  // Validation.

  const refusedProblem = async (promise, name, code) => {
    const { status, body } = await w.refused(promise)
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    const [problem] = embeddedProblems(body.message)
    assert.deepEqual([problem.isValid, problem.error, problem.name, problem.portalId], [false, code, name, w.hub])
    assert.equal(body.errors[0].code, code)
    return { body, problem }
  }

  it('an error body has status, message, correlation ID and category', async () => {
    const { body } = await w.refused(contacts.basicApi.getById('999'))
    assert.equal(body.status, 'error')
    assert.equal(typeof body.message, 'string')
    assert.match(body.correlationId, UUID)
    assert.equal(typeof body.category, 'string')
  })
  it('a property that does not exist is refused, with the problem as JSON in the message', async () => {
    const { problem } = await refusedProblem(contact({ favourite_fruit: 'quince' }), 'favourite_fruit', 'PROPERTY_DOESNT_EXIST')
    assert.equal(problem.message, 'Property "favourite_fruit" does not exist')
    assert.ok(problem.localizedErrorMessage)
  })
  it('an update with a property that does not exist is refused, and writes nothing', async () => {
    const made = await contact({ email: 'none@alder.example', lastname: 'Old' })
    await refusedProblem(contacts.basicApi.update(made.id, { properties: { lastname: 'New', favourite_fruit: 'quince' } }), 'favourite_fruit', 'PROPERTY_DOESNT_EXIST')
    assert.equal((await contacts.basicApi.getById(made.id)).properties.lastname, 'Old')
  })
  it('each bad property of a write has its own problem', async () => {
    const { body } = await w.refused(contact({ email: 'no-address', favourite_fruit: 'quince' }))
    assert.deepEqual(embeddedProblems(body.message).map((p) => p.name).sort(), ['email', 'favourite_fruit'])
    assert.equal(body.errors.length, 2)
  })
  it('what is no e-mail address is INVALID_EMAIL', async () => {
    await refusedProblem(contact({ email: 'ada at alder' }), 'email', 'INVALID_EMAIL')
  })
  it('what is none of the options is INVALID_OPTION', async () => {
    await refusedProblem(contact({ lifecyclestage: 'acquaintance' }), 'lifecyclestage', 'INVALID_OPTION')
  })
  it('a number that is none is INVALID_INTEGER', async () => {
    await refusedProblem(companies.basicApi.create({ properties: { name: 'Alder', numberofemployees: 'many' } }), 'numberofemployees', 'INVALID_INTEGER')
  })
  it('a read-only property is refused', async () => {
    const { status } = await w.refused(contact({ hs_object_id: '12' }))
    assert.equal(status, 400)
  })
  it('an owner is assigned by the ID of the owner', async () => {
    const made = await contact({ email: 'owned@alder.example', hubspot_owner_id: w.admin.ownerId })
    assert.equal((await contacts.basicApi.getById(made.id, ['hubspot_owner_id'])).properties.hubspot_owner_id, w.admin.ownerId)
  })
  it('the ID of a user is no owner', async () => {
    const { status, body } = await w.refused(contact({ hubspot_owner_id: String(w.admin.id) }))
    assert.equal(status, 400)
    assert.equal(embeddedProblems(body.message)[0].name, 'hubspot_owner_id')
  })

  // Rules that an account has made for itself.

  /** A lost deal needs a reason, and every deal a next step. */
  const withRules = async () => {
    const other = await world()
    await simulator.control('PUT', `portals/${other.hub}/rules/deals`, { rules: [
      { when: 'dealstage', is: ['closedlost'], require: ['closed_lost_reason'] }, { require: ['hs_next_step'] }] })
    return other
  }
  const deal = (dealstage, more = {}) => ({ properties: { dealname: 'Ruled', dealstage, pipeline: 'default', ...more } })
  if (pass === 'dated') {
    it("from 2026-09 on a write has to have the properties that the account requires", async () => {
      const other = await withRules()
      const { status, body } = await other.refused(other.crm.deals.basicApi.create(deal('qualifiedtobuy')))
      assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
      assert.deepEqual(body.errors.map((e) => e.code), ['MISSING_REQUIRED_PROPERTY'])
      assert.match(JSON.stringify(body), /hs_next_step/)
      await other.crm.deals.basicApi.create(deal('qualifiedtobuy', { hs_next_step: 'Call' }))
    })
    it("from 2026-09 on a write has to have the properties that another value requires", async () => {
      const other = await withRules()
      const made = await other.crm.deals.basicApi.create(deal('qualifiedtobuy', { hs_next_step: 'Call' }))
      const { status, body } = await other.refused(other.crm.deals.basicApi.update(made.id, { properties: { dealstage: 'closedlost' } }))
      assert.equal(status, 400)
      assert.deepEqual(body.errors.map((e) => e.code), ['MISSING_CONDITIONAL_REQUIRED_PROPERTY'])
      assert.match(JSON.stringify(body), /closed_lost_reason/)
      await other.crm.deals.basicApi.update(made.id, { properties: { dealstage: 'closedlost', closed_lost_reason: 'Too dear' } })
    })
  } else {
    it('before 2026-09 such rules do not bind', async () => {
      const other = await withRules()
      await other.crm.deals.basicApi.create(deal('closedlost'))
    })
  }

  // Duplicates.

  it('a second contact with the same e-mail address is a 409 that names the first', async () => {
    const first = await contact({ email: 'twice@alder.example' })
    const { status, body } = await w.refused(contact({ email: 'twice@alder.example' }))
    assert.deepEqual([status, body.category, body.message], [409, 'CONFLICT', `Contact already exists. Existing ID: ${first.id}`])
  })
  it('e-mail addresses that differ in case are one address', async () => {
    const first = await contact({ email: 'case@alder.example' })
    const { status, body } = await w.refused(contact({ email: 'CASE@alder.example' }))
    assert.equal(status, 409)
    assert.ok(body.message.endsWith(first.id))
  })
  it('taking the value of a unique property of another record is a 400 that names the holder last', async () => {
    await simulator.control('POST', `portals/${w.hub}/properties/companies`, { name: 'debrief_key', unique: true })
    const first = await companies.basicApi.create({ properties: { name: 'Birch', debrief_key: 'k-1' } })
    const { status, body } = await w.refused(companies.basicApi.create({ properties: { name: 'Birch', debrief_key: 'k-1' } }))
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    const found = /^Cannot set PropertyValueCoordinates\{portalId=(\d+), .*propertyName=debrief_key, value=k-1\} on (\d+)\. (\d+) already has that value\.$/.exec(body.message)
    assert.ok(found, body.message)
    assert.equal(Number(found[1]), w.hub)
    assert.notEqual(found[2], first.id)
    assert.equal(found[3], first.id)
  })
  it("moving a contact to another contact's e-mail address is a 400, no 409", async () => {
    const holder = await contact({ email: 'held@alder.example' })
    const other = await contact({ email: 'other@alder.example' })
    const { status, body } = await w.refused(contacts.basicApi.update(other.id, { properties: { email: 'held@alder.example' } }))
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    assert.ok(body.message.endsWith(` on ${other.id}. ${holder.id} already has that value.`), body.message)
  })
  it('a record found by a custom unique property is the one that has the value', async () => {
    await simulator.control('POST', `portals/${w.hub}/properties/deals`, { name: 'debrief_key', unique: true })
    const made = await deals.basicApi.create({ properties: { dealname: 'Keyed', dealstage: 'qualifiedtobuy', pipeline: 'default', debrief_key: 'd-1' } })
    assert.equal((await deals.basicApi.getById('d-1', undefined, undefined, undefined, false, 'debrief_key')).id, made.id)
  })
  it('companies with one domain are two companies', async () => {
    const first = await companies.basicApi.create({ properties: { name: 'Cedar', domain: 'cedar.example' } })
    const second = await companies.basicApi.create({ properties: { name: 'Cedar', domain: 'cedar.example' } })
    assert.notEqual(first.id, second.id)
  })

  // The other types.

  it('a company needs a name or a domain', async () => {
    assert.equal((await w.refused(companies.basicApi.create({ properties: { city: 'Porto' } }))).status, 400)
    await companies.basicApi.create({ properties: { domain: 'dogwood.example' } })
    await companies.basicApi.create({ properties: { name: 'Dogwood' } })
  })
  it('a company returns its usual five properties', async () => {
    const made = await companies.basicApi.create({ properties: { name: 'Elm', domain: 'elm.example', city: 'Braga' } })
    await companies.basicApi.getById(made.id)
    assert.deepEqual(Object.keys(w.last.body.properties).sort(), ['createdate', 'domain', 'hs_lastmodifieddate', 'hs_object_id', 'name'])
  })
  it('a number comes back as text', async () => {
    const made = await w.call('POST', '/crm/v3/objects/companies', { properties: { name: 'Fir', numberofemployees: 40 } })
    assert.equal(made.status, 201)
    await companies.basicApi.getById(made.body.id, ['numberofemployees'])
    assert.equal(w.last.body.properties.numberofemployees, '40')
  })
  it('a deal without a pipeline goes to the default one', async () => {
    const made = await deals.basicApi.create({ properties: { dealname: 'Gorse', dealstage: 'qualifiedtobuy' } })
    assert.equal((await deals.basicApi.getById(made.id)).properties.pipeline, 'default')
  })
  it('a deal needs a name and a stage', async () => {
    const { status, body } = await w.refused(deals.basicApi.create({ properties: { amount: '10' } }))
    assert.equal(status, 400)
    const problems = embeddedProblems(body.message)
    assert.deepEqual(problems.map((p) => p.name).sort(), ['dealname', 'dealstage'])
    assert.ok(problems.every((p) => p.error === 'MISSING_REQUIRED_PROPERTY'))
  })
  it('a stage that is not of the pipeline is refused', async () => {
    const { status } = await w.refused(deals.basicApi.create({ properties: { dealname: 'Hazel', dealstage: 'nowhere', pipeline: 'default' } }))
    assert.equal(status, 400)
  })
  it('a deal moves to another stage', async () => {
    const made = await deals.basicApi.create({ properties: { dealname: 'Iris', dealstage: 'qualifiedtobuy', pipeline: 'default', amount: '1500.5' } })
    await deals.basicApi.update(made.id, { properties: { dealstage: 'contractsent' } })
    const { properties } = await deals.basicApi.getById(made.id)
    assert.deepEqual([properties.dealstage, properties.amount], ['contractsent', '1500.5'])
  })
  it('a deal returns its usual eight properties', async () => {
    const made = await deals.basicApi.create({ properties: { dealname: 'Iris', dealstage: 'qualifiedtobuy' } })
    await deals.basicApi.getById(made.id)
    assert.deepEqual(Object.keys(w.last.body.properties).sort(),
      ['amount', 'closedate', 'createdate', 'dealname', 'dealstage', 'hs_lastmodifieddate', 'hs_object_id', 'pipeline'])
  })
  it('a time comes back as ISO 8601 with milliseconds', async () => {
    const made = await deals.basicApi.create({ properties: { dealname: 'Juniper', dealstage: 'qualifiedtobuy', closedate: '2026-12-31T17:00:00Z' } })
    assert.equal((await deals.basicApi.getById(made.id)).properties.closedate, '2026-12-31T17:00:00.000Z')
  })
  it('a time may be written in milliseconds', async () => {
    const made = await deals.basicApi.create({ properties: { dealname: 'Juniper', dealstage: 'qualifiedtobuy', closedate: String(Date.UTC(2026, 11, 31, 17)) } })
    assert.equal((await deals.basicApi.getById(made.id)).properties.closedate, '2026-12-31T17:00:00.000Z')
  })
  it('a ticket is created in a stage and returns its usual nine properties', async () => {
    const made = await tickets.basicApi.create({ properties: { subject: 'No sound', hs_pipeline: '0', hs_pipeline_stage: '1' } })
    await tickets.basicApi.getById(made.id)
    assert.deepEqual(Object.keys(w.last.body.properties).sort(),
      ['content', 'createdate', 'hs_lastmodifieddate', 'hs_object_id', 'hs_pipeline', 'hs_pipeline_stage', 'hs_ticket_category', 'hs_ticket_priority', 'subject'])
  })
  it('a ticket needs a subject and a stage', async () => {
    const { status, body } = await w.refused(tickets.basicApi.create({ properties: { content: 'It hums.' } }))
    assert.equal(status, 400)
    const names = embeddedProblems(body.message).map((p) => p.name)
    assert.ok(names.includes('subject') && names.includes('hs_pipeline_stage'), names.join())
  })
  it('a note is created, updated and archived', async () => {
    const made = await objects.basicApi.create('notes', { properties: { hs_timestamp: '2026-11-20T09:00:00Z', hs_note_body: 'They want a pilot.' } })
    await objects.basicApi.update('notes', made.id, { properties: { hs_note_body: 'They want two pilots.' } })
    assert.equal((await objects.basicApi.getById('notes', made.id, ['hs_note_body'])).properties.hs_note_body, 'They want two pilots.')
    await objects.basicApi.archive('notes', made.id)
    await missing(objects.basicApi.getById('notes', made.id))
  })
  it('a note holds 65,536 characters and no more', async () => {
    const note = (length) => objects.basicApi.create('notes', { properties: { hs_timestamp: '2026-11-20T09:00:00Z', hs_note_body: 'x'.repeat(length) } })
    await note(65_536)
    assert.equal((await w.refused(note(65_537))).status, 400)
  })
  it('a task is created and completed', async () => {
    const made = await objects.basicApi.create('tasks', { properties: {
      hs_timestamp: '2026-11-27T09:00:00Z', hs_task_subject: 'Send the offer', hs_task_status: 'NOT_STARTED', hs_task_priority: 'HIGH', hs_task_type: 'TODO' } })
    await objects.basicApi.update('tasks', made.id, { properties: { hs_task_status: 'COMPLETED' } })
    const { properties } = await objects.basicApi.getById('tasks', made.id, ['hs_task_status', 'hs_task_priority', 'hs_timestamp'])
    assert.deepEqual([properties.hs_task_status, properties.hs_task_priority, properties.hs_timestamp], ['COMPLETED', 'HIGH', '2026-11-27T09:00:00.000Z'])
  })
  it('a meeting keeps its times, place and outcome', async () => {
    const made = await objects.basicApi.create('meetings', { properties: {
      hs_timestamp: '2026-11-20T09:00:00Z', hs_meeting_title: 'Pilot', hs_meeting_start_time: '2026-11-20T09:00:00Z',
      hs_meeting_end_time: '2026-11-20T09:45:00Z', hs_meeting_location: 'Room 4', hs_meeting_outcome: 'SCHEDULED' } })
    await objects.basicApi.update('meetings', made.id, { properties: { hs_meeting_outcome: 'COMPLETED' } })
    const { properties } = await objects.basicApi.getById('meetings', made.id, ['hs_meeting_title', 'hs_meeting_start_time', 'hs_meeting_end_time', 'hs_meeting_location', 'hs_meeting_outcome'])
    assert.deepEqual(
      [properties.hs_meeting_title, properties.hs_meeting_start_time, properties.hs_meeting_end_time, properties.hs_meeting_location, properties.hs_meeting_outcome],
      ['Pilot', '2026-11-20T09:00:00.000Z', '2026-11-20T09:45:00.000Z', 'Room 4', 'COMPLETED'])
  })
  it('notes, tasks and meetings need a timestamp', async () => {
    for (const type of ['notes', 'tasks', 'meetings']) {
      const { status, body } = await w.refused(objects.basicApi.create(type, { properties: {} }))
      assert.equal(status, 400)
      assert.equal(embeddedProblems(body.message)[0].name, 'hs_timestamp')
    }
  })
  it('a note returns its usual three properties', async () => {
    const made = await objects.basicApi.create('notes', { properties: { hs_timestamp: '2026-11-20T09:00:00Z', hs_note_body: 'x' } })
    await objects.basicApi.getById('notes', made.id)
    assert.deepEqual(Object.keys(w.last.body.properties).sort(), ['hs_createdate', 'hs_lastmodifieddate', 'hs_object_id'])
  })
  it('a type is named by its number as well', async () => {
    for (const [number, name, properties] of [
      ['0-1', 'contacts', { lastname: 'Zed' }], ['0-2', 'companies', { name: 'Zed' }],
      ['0-3', 'deals', { dealname: 'Zed', dealstage: 'qualifiedtobuy' }], ['0-5', 'tickets', { subject: 'Zed', hs_pipeline: '0', hs_pipeline_stage: '1' }],
      ['0-27', 'tasks', { hs_timestamp: '2026-11-20T09:00:00Z' }], ['0-46', 'notes', { hs_timestamp: '2026-11-20T09:00:00Z' }],
      ['0-47', 'meetings', { hs_timestamp: '2026-11-20T09:00:00Z' }],
    ]) {
      const made = await objects.basicApi.create(number, { properties })
      assert.equal((await objects.basicApi.getById(name, made.id)).id, made.id)
    }
  })
  it('an unknown type is refused', async () => {
    const { status } = await w.refused(objects.basicApi.getPage('unicorns'))
    assert.ok(status >= 400 && status < 500, `status ${status}`)
  })
  it('a record of a custom object is created, read, updated and archived', async () => {
    const custom = await w.crm.schemas.coreApi.create({
      name: 'machine', labels: { singular: 'Machine', plural: 'Machines' }, primaryDisplayProperty: 'serial', requiredProperties: ['serial'],
      searchableProperties: [], secondaryDisplayProperties: [], associatedObjects: ['0-1'],
      properties: [{ name: 'serial', label: 'Serial', type: 'string', fieldType: 'text', hasUniqueValue: true }, { name: 'place', label: 'Place', type: 'string', fieldType: 'text' }],
    })
    const type = custom.objectTypeId
    const made = await objects.basicApi.create(type, { properties: { serial: 'S-1', place: 'Hall 2' } })
    await objects.basicApi.update(type, made.id, { properties: { place: 'Hall 3' } })
    assert.equal((await objects.basicApi.getById(type, made.id, ['place'])).properties.place, 'Hall 3')
    assert.equal((await objects.basicApi.getById(`p${w.hub}_machine`, 'S-1', undefined, undefined, undefined, false, 'serial')).id, made.id)
    assert.equal((await w.refused(objects.basicApi.create(type, { properties: { place: 'Hall 2' } }))).status, 400)
    await objects.basicApi.archive(type, made.id)
    await missing(objects.basicApi.getById(type, made.id))
  })
  it('a multiple choice keeps what was chosen, and a leading semicolon adds to it', async () => {
    await w.crm.properties.coreApi.create('contacts', {
      name: 'interests', label: 'Interests', type: 'enumeration', fieldType: 'checkbox', groupName: 'contactinformation',
      options: ['price', 'speed', 'care'].map((value, displayOrder) => ({ label: value, value, displayOrder, hidden: false })),
    })
    const made = await contact({ email: 'choice@alder.example', interests: 'price;speed' })
    const read = async () => (await contacts.basicApi.getById(made.id, ['interests'])).properties.interests.split(';').sort()
    assert.deepEqual(await read(), ['price', 'speed'])
    await contacts.basicApi.update(made.id, { properties: { interests: ';care' } })
    assert.deepEqual(await read(), ['care', 'price', 'speed'])
    await contacts.basicApi.update(made.id, { properties: { interests: 'care' } })
    assert.deepEqual(await read(), ['care'])
  })

  // Lists.

  it('a list gives ten records unless it is asked for more, and where to go on', async () => {
    const other = await world()
    for (let i = 0; i < 12; i++) await other.seed('contacts', { lastname: `L${i}` })
    const first = await other.crm.contacts.basicApi.getPage()
    assert.equal(first.results.length, 10)
    const second = await other.crm.contacts.basicApi.getPage(10, first.paging.next.after)
    assert.equal(second.results.length, 2)
    assert.equal(second.paging, undefined)
    assert.equal(new Set([...first.results, ...second.results].map((r) => r.id)).size, 12)
  })
  it("the client's own walk through all pages finds every record once", async () => {
    const other = await world()
    for (let i = 0; i < 105; i++) await other.seed('companies', { name: `Company ${i}` })
    const all = await other.crm.companies.getAll()
    assert.equal(new Set(all.map((r) => r.id)).size, 105)
    assert.equal(all.length, 105)
  })
  it('a list of more than 100 is refused', async () => {
    assert.equal((await w.refused(contacts.basicApi.getPage(101))).status, 400)
  })
  it('a list tells archived records apart', async () => {
    const other = await world()
    const [kept, gone] = [await other.seed('contacts', { lastname: 'Kept' }), await other.seed('contacts', { lastname: 'Gone' })]
    await other.crm.contacts.basicApi.archive(gone.id)
    assert.deepEqual((await other.crm.contacts.basicApi.getPage()).results.map((r) => r.id), [kept.id])
    const archived = await other.crm.contacts.basicApi.getPage(10, undefined, undefined, undefined, undefined, true)
    assert.deepEqual(archived.results.map((r) => r.id), [gone.id])
  })
  it('an account sees its own records only', async () => {
    const [one, other] = [await world(), await world()]
    const made = await one.crm.contacts.basicApi.create({ properties: { email: 'mine@alder.example' } })
    assert.equal((await other.refused(other.crm.contacts.basicApi.getById(made.id))).status, 404)
    await other.crm.contacts.basicApi.create({ properties: { email: 'mine@alder.example' } })
  })

  // Merge and GDPR deletion.

  const mergePair = async (name) => {
    const primary = await contact({ email: `${name}@birch.example`, firstname: 'Pia' })
    const merged = await contact({ email: `${name}@old.example`, firstname: 'P.', jobtitle: 'Buyer' })
    await contacts.basicApi.merge({ primaryObjectId: primary.id, objectIdToMerge: merged.id })
    return { primary, merged }
  }
  it('a merge keeps the values of the primary record and takes over what it lacked', async () => {
    const { primary } = await mergePair('keeps')
    assert.equal(w.last.status, 200)
    const { properties } = await contacts.basicApi.getById(w.last.body.id, ['email', 'firstname', 'jobtitle'])
    assert.deepEqual([properties.email, properties.firstname, properties.jobtitle], ['keeps@birch.example', 'Pia', 'Buyer'])
    assert.ok(primary.id)
  })
  it('the ID of a merged record leads to the record that it went into', async () => {
    const { primary, merged } = await mergePair('leads')
    assert.equal((await contacts.basicApi.getById(merged.id)).id, primary.id)
  })
  it('the merged address becomes a second one, and still finds the contact', async () => {
    const { primary } = await mergePair('second')
    assert.equal((await contacts.basicApi.getById('second@old.example', undefined, undefined, undefined, false, 'email')).id, primary.id)
  })
  it('a new contact with a second address of another is a 400, no 409', async () => {
    const { primary } = await mergePair('secondary')
    const { status, body } = await w.refused(contact({ email: 'secondary@old.example' }))
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    assert.ok(body.message.endsWith(` ${primary.id} already has that value.`), body.message)
  })
  it('a merge moves associations to the record that stays', async () => {
    const primary = await contact({ email: 'assoc@birch.example' })
    const merged = await contact({ email: 'assoc@old.example' })
    const deal = await deals.basicApi.create({ properties: { dealname: 'Moved', dealstage: 'qualifiedtobuy' } })
    await w.crm.associations.v4.basicApi.createDefault('contacts', merged.id, 'deals', deal.id)
    await contacts.basicApi.merge({ primaryObjectId: primary.id, objectIdToMerge: merged.id })
    const page = await w.crm.associations.v4.basicApi.getPage('contacts', primary.id, 'deals')
    assert.deepEqual(page.results.map((r) => String(r.toObjectId)), [deal.id])
  })
  it('companies merge, too', async () => {
    const primary = await companies.basicApi.create({ properties: { name: 'Stays' } })
    const merged = await companies.basicApi.create({ properties: { name: 'Goes', domain: 'goes.example' } })
    await companies.basicApi.merge({ primaryObjectId: primary.id, objectIdToMerge: merged.id })
    const { properties } = await companies.basicApi.getById(primary.id)
    assert.deepEqual([properties.name, properties.domain], ['Stays', 'goes.example'])
  })
  it('merging a record that does not exist is refused', async () => {
    const made = await contact({ email: 'alone@birch.example' })
    const { status } = await w.refused(contacts.basicApi.merge({ primaryObjectId: made.id, objectIdToMerge: '999' }))
    assert.ok(status >= 400 && status < 500, `status ${status}`)
  })
  it('a GDPR deletion is a 204 and leaves nothing, archived or not', async () => {
    const made = await contact({ email: 'forget@alder.example' })
    await contacts.basicApi.purge({ objectId: made.id })
    assert.equal(w.last.status, 204)
    await missing(contacts.basicApi.getById(made.id))
    await missing(contacts.basicApi.getById(made.id, undefined, undefined, undefined, true))
  })
  it('a GDPR deletion goes by e-mail address, too', async () => {
    const made = await contact({ email: 'forget2@alder.example' })
    await contacts.basicApi.purge({ objectId: 'forget2@alder.example', idProperty: 'email' })
    await missing(contacts.basicApi.getById(made.id))
  })

  // What an account does by itself.

  it("an account can make a company from a new contact's domain, some seconds later, and join both", async () => {
    const other = await world({ settings: { noRateLimits: true, autoCompany: true, autoCompanyAfter: 5_000_000_000 } })
    const made = await other.crm.contacts.basicApi.create({ properties: { email: 'lou@larch.example' } })
    assert.equal((await other.records('companies')).length, 0)
    await simulator.advance('6s')
    const [company, ...more] = await other.records('companies')
    assert.equal(more.length, 0)
    assert.equal(company.properties.domain, 'larch.example')
    const page = await other.crm.associations.v4.basicApi.getPage('contacts', made.id, 'companies')
    assert.deepEqual(page.results.map((r) => String(r.toObjectId)), [company.id])
  })
  it('an account can leave that alone', async () => {
    const other = await world()
    await other.crm.contacts.basicApi.create({ properties: { email: 'lou@larch.example' } })
    await simulator.advance('1m')
    assert.equal((await other.records('companies')).length, 0)
  })
}
