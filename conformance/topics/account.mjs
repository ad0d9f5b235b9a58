// What an account is made of: owners, pipelines, properties, schemas, details.
import assert from 'node:assert/strict'
import { ISO_TIME } from '../world.mjs'

export default async function account({ it, world, pass }) {
  const w = await world()
  const { ownersApi } = w.crm.owners
  const { pipelinesApi, pipelineStagesApi } = w.crm.pipelines
  const properties = w.crm.properties
  const schemas = w.crm.schemas.coreApi
  const refusedWith = async (promise, status) => {
    const answer = await w.refused(promise)
    assert.equal(answer.status, status)
    return answer
  }

  // Owners.

  it('owners are listed with their ID, user, name and kind', async () => {
    const { results } = await ownersApi.getPage()
    const me = results.find((o) => o.email === 'nadia@oakline.example')
    assert.deepEqual([me.id, me.userId, me.userIdIncludingInactive, me.firstName, me.lastName, me.type, me.archived],
      [w.admin.ownerId, w.admin.id, w.admin.id, 'Nadia', 'Brandt', 'PERSON', false])
  })
  it('an owner is read by the ID of the owner', async () => {
    assert.equal((await ownersApi.getById(Number(w.admin.ownerId))).email, 'nadia@oakline.example')
  })
  it('an owner is read by the ID of the user through idProperty', async () => {
    assert.equal((await ownersApi.getById(w.admin.id, 'userId')).id, w.admin.ownerId)
  })
  it('an owner that does not exist is a 404', () => refusedWith(ownersApi.getById(99), 404))
  it('owners are filtered by their whole e-mail address', async () => {
    const other = await w.addUser({ email: 'omar@oakline.example' })
    const { results } = await ownersApi.getPage('omar@oakline.example')
    assert.deepEqual(results.map((o) => o.id), [other.ownerId])
  })
  it('an e-mail address that no owner has is an empty list, not an error', async () => {
    assert.deepEqual((await ownersApi.getPage('oma@oakline.example')).results, [])
    assert.equal(w.last.status, 200)
  })
  it('who left is listed as archived only, without a user', async () => {
    const gone = await w.addUser({ email: 'gone@oakline.example', archived: true })
    assert.equal((await ownersApi.getPage()).results.some((o) => o.id === gone.ownerId), false)
    await ownersApi.getPage(undefined, undefined, undefined, true)
    const [owner] = w.last.body.results
    assert.deepEqual([owner.id, owner.archived, owner.userId, owner.userIdIncludingInactive], [gone.ownerId, true, null, gone.id])
  })
  it('owners come in pages', async () => {
    const other = await world()
    for (let i = 0; i < 4; i++) await other.addUser({ email: `u${i}@oakline.example` })
    const first = await other.crm.owners.ownersApi.getPage(undefined, undefined, 3)
    const second = await other.crm.owners.ownersApi.getPage(undefined, first.paging.next.after, 3)
    assert.equal(new Set([...first.results, ...second.results].map((o) => o.id)).size, 5)
    assert.equal(second.paging, undefined)
  })

  // Pipelines.

  const dealStages = (labels = ['Open', 'Won']) => labels.map((label, displayOrder) => ({ label, displayOrder, metadata: { probability: String(displayOrder / labels.length) } }))
  let number = 0
  const newPipeline = (labels) => pipelinesApi.create('deals', { label: `Pipeline ${++number}`, displayOrder: number, stages: dealStages(labels) })

  it('an account starts with one pipeline of deals and one of tickets', async () => {
    assert.deepEqual((await pipelinesApi.getAll('deals')).results.map((p) => p.id), ['default'])
    assert.deepEqual((await pipelinesApi.getAll('tickets')).results.map((p) => p.id), ['0'])
  })
  it('the default pipeline of deals has its stages in order', async () => {
    const { stages } = await pipelinesApi.getById('deals', 'default')
    const order = [...stages].sort((a, b) => a.displayOrder - b.displayOrder).map((s) => s.id)
    assert.deepEqual(order, ['appointmentscheduled', 'qualifiedtobuy', 'presentationscheduled', 'decisionmakerboughtin', 'contractsent', 'closedwon', 'closedlost'])
  })
  it('won and lost stages are told by probabilities 1.0 and 0.0, as text', async () => {
    await pipelinesApi.getById('deals', 'default')
    const meta = Object.fromEntries(w.last.body.stages.map((s) => [s.id, s.metadata]))
    assert.deepEqual([meta.closedwon, meta.closedlost], [{ probability: '1.0', isClosed: 'true' }, { probability: '0.0', isClosed: 'true' }])
    assert.equal(meta.qualifiedtobuy.isClosed, 'false')
  })
  it('stages of tickets are open or closed', async () => {
    const { stages } = await pipelinesApi.getById('tickets', '0')
    const states = Object.fromEntries(stages.map((s) => [s.id, s.metadata.ticketState]))
    assert.deepEqual([states[1], states[4]], ['OPEN', 'CLOSED'])
  })
  it('the stages of a pipeline are listed by themselves', async () => {
    assert.equal((await pipelineStagesApi.getAll('deals', 'default')).results.length, 7)
  })
  it('one stage is read', async () => {
    const stage = await pipelineStagesApi.getById('deals', 'default', 'closedwon')
    assert.deepEqual([stage.id, stage.archived], ['closedwon', false])
  })
  it('a pipeline that does not exist is a 404 with an empty body', async () => {
    // The client fails to read an answer without a body, so this goes without its models.
    const { status, text } = await w.call('GET', '/crm/v3/pipelines/deals/none')
    assert.deepEqual([status, text], [404, ''])
  })
  it('a pipeline is created with its stages', async () => {
    const made = await newPipeline(['First', 'Last'])
    assert.equal(w.last.status, 201)
    assert.deepEqual(made.stages.map((s) => s.label), ['First', 'Last'])
    assert.ok(made.stages.every((s) => s.id !== '' && !s.archived))
    assert.match(w.last.body.createdAt, ISO_TIME)
    assert.equal((await pipelinesApi.getById('deals', made.id)).label, made.label)
  })
  it('a stage of deals needs a probability', async () => {
    const { status } = await w.refused(pipelinesApi.create('deals', { label: 'Without', displayOrder: 9, stages: [{ label: 'Open', displayOrder: 0, metadata: {} }] }))
    assert.equal(status, 400)
  })
  it('the create of a pipeline echoes no isClosed; a read has it', async () => {
    const made = await newPipeline()
    assert.deepEqual(made.stages.map((s) => 'isClosed' in s.metadata), [false, false])
    assert.deepEqual((await pipelinesApi.getById('deals', made.id)).stages.map((s) => 'isClosed' in s.metadata), [true, true])
  })
  it('a new pipeline takes deals', async () => {
    const made = await newPipeline()
    const deal = await w.crm.deals.basicApi.create({ properties: { dealname: 'In it', pipeline: made.id, dealstage: made.stages[0].id } })
    assert.equal((await w.crm.deals.basicApi.getById(deal.id)).properties.pipeline, made.id)
  })
  it('a pipeline is renamed by PATCH, and keeps its stages', async () => {
    const made = await newPipeline()
    const changed = await pipelinesApi.update('deals', made.id, { label: 'Renamed' })
    assert.equal(w.last.status, 200)
    assert.deepEqual([changed.label, changed.stages.map((s) => s.id)], ['Renamed', made.stages.map((s) => s.id)])
  })
  it('PUT replaces a pipeline, stages and all', async () => {
    const made = await newPipeline(['One', 'Two'])
    await pipelinesApi.replace('deals', made.id, { label: 'Replaced', displayOrder: 3, stages: dealStages(['Three', 'Four', 'Five']) })
    const read = await pipelinesApi.getById('deals', made.id)
    assert.deepEqual([read.label, read.stages.map((s) => s.label)], ['Replaced', ['Three', 'Four', 'Five']])
  })
  it('a stage is added to a pipeline', async () => {
    const made = await newPipeline()
    const stage = await pipelineStagesApi.create('deals', made.id, { label: 'Between', displayOrder: 1, metadata: { probability: '0.5' } })
    assert.equal(w.last.status, 201)
    assert.ok((await pipelinesApi.getById('deals', made.id)).stages.some((s) => s.id === stage.id && s.label === 'Between'))
  })
  it('a stage is changed by PATCH', async () => {
    const made = await newPipeline()
    await pipelineStagesApi.update('deals', made.id, made.stages[0].id, { label: 'Changed', metadata: { probability: '0.3' } })
    const stage = await pipelineStagesApi.getById('deals', made.id, made.stages[0].id)
    assert.deepEqual([stage.label, stage.metadata.probability], ['Changed', '0.3'])
  })
  it('a stage is replaced by PUT', async () => {
    const made = await newPipeline()
    await pipelineStagesApi.replace('deals', made.id, made.stages[1].id, { label: 'Anew', displayOrder: 5, metadata: { probability: '0.7' } })
    const stage = await pipelineStagesApi.getById('deals', made.id, made.stages[1].id)
    assert.deepEqual([stage.label, stage.displayOrder, stage.metadata.probability], ['Anew', 5, '0.7'])
  })
  it('a stage is deleted with a 204, whether it is there or not', async () => {
    const made = await newPipeline(['One', 'Two', 'Three'])
    for (let i = 0; i < 2; i++) {
      await pipelineStagesApi.archive('deals', made.id, made.stages[1].id)
      assert.equal(w.last.status, 204)
    }
    assert.deepEqual((await pipelinesApi.getById('deals', made.id)).stages.map((s) => s.label), ['One', 'Three'])
  })
  if (pass === 'dated') {
    it('from 2026-09 on a stage that deals are in is not deleted, and the error names stage and deals', async () => {
      const made = await newPipeline(['One', 'Two', 'Three'])
      const deal = await w.crm.deals.basicApi.create({ properties: { dealname: 'Holds', pipeline: made.id, dealstage: made.stages[1].id } })
      const { status, body } = await w.refused(pipelineStagesApi.archive('deals', made.id, made.stages[1].id))
      assert.deepEqual([status, body.category, body.subCategory], [400, 'VALIDATION_ERROR', 'PipelineError.STAGE_ID_IN_USE'])
      assert.deepEqual([body.context.stageIds, body.context.objectIds], [[made.stages[1].id], [deal.id]])
      assert.ok(body.message.startsWith('Stage IDs: ') && body.message.includes(' are being referenced by object IDs: '), body.message)
    })
    it('from 2026-09 on a pipeline that deals are in is never deleted', async () => {
      const made = await newPipeline()
      await w.crm.deals.basicApi.create({ properties: { dealname: 'Holds', pipeline: made.id, dealstage: made.stages[0].id } })
      assert.equal((await w.refused(pipelinesApi.archive('deals', made.id))).status, 400)
      assert.equal((await pipelinesApi.getById('deals', made.id)).id, made.id)
    })
  } else {
    it('before 2026-09 a pipeline that deals are in is deleted, if nobody asks for a check', async () => {
      const made = await newPipeline()
      await w.crm.deals.basicApi.create({ properties: { dealname: 'Holds', pipeline: made.id, dealstage: made.stages[0].id } })
      await pipelinesApi.archive('deals', made.id)
      assert.equal(w.last.status, 204)
    })
  }
  it('a pipeline that deals are in is not deleted by who asks for the check', async () => {
    const made = await newPipeline()
    await w.crm.deals.basicApi.create({ properties: { dealname: 'Holds', pipeline: made.id, dealstage: made.stages[0].id } })
    assert.equal((await w.refused(pipelinesApi.archive('deals', made.id, true))).status, 400)
    assert.equal((await pipelinesApi.getById('deals', made.id)).id, made.id)
  })
  it('an empty pipeline is deleted with a 204', async () => {
    const made = await newPipeline()
    await pipelinesApi.archive('deals', made.id)
    assert.equal(w.last.status, 204)
    assert.equal((await pipelinesApi.getAll('deals')).results.some((p) => p.id === made.id), false)
  })
  it('a pipeline ID that is sent is kept', async () => {
    const { status, body } = await w.call('POST', '/crm/v3/pipelines/deals', { pipelineId: 'our-own', label: 'Ours', displayOrder: 7, stages: [{ ...dealStages()[0], stageId: 'our-stage' }, dealStages()[1]] })
    assert.equal(status, 201)
    assert.deepEqual([body.id, body.stages[0].id], ['our-own', 'our-stage'])
  })
  it('a stage ID of another pipeline is a 409', async () => {
    const { status, body } = await w.call('POST', '/crm/v3/pipelines/deals', { label: 'Clash', displayOrder: 8, stages: [{ ...dealStages()[0], stageId: 'qualifiedtobuy' }, dealStages()[1]] })
    assert.deepEqual([status, body.subCategory], [409, 'PipelineError.STAGE_ID_EXISTS_IN_ANOTHER_PIPELINE'])
  })
  it('a pipeline of tickets keeps one closed stage', async () => {
    const state = (label, displayOrder, ticketState) => ({ label, displayOrder, metadata: { ticketState } })
    const made = await pipelinesApi.create('tickets', { label: 'Repairs', displayOrder: 2, stages: [state('New', 0, 'OPEN'), state('Done', 1, 'CLOSED')] })
    const closed = made.stages.find((s) => s.label === 'Done')
    assert.equal((await w.refused(pipelineStagesApi.archive('tickets', made.id, closed.id))).status, 400)
  })

  // Properties and their groups.

  const property = (name, more = {}) => ({ name, label: name, type: 'string', fieldType: 'text', groupName: 'contactinformation', ...more })
  const create = (definition) => properties.coreApi.create('contacts', definition)

  it('the properties of a type are listed with type, field type and group', async () => {
    const { results } = await properties.coreApi.getAll('contacts')
    const email = results.find((p) => p.name === 'email')
    assert.deepEqual([email.type, email.groupName, email.hubspotDefined], ['string', 'contactinformation', true])
  })
  it("HubSpot's own unique property is told as unique", async () => {
    const email = await properties.coreApi.getByName('contacts', 'email')
    assert.equal(email.hasUniqueValue, true)
  })
  it('an enumeration lists its options', async () => {
    const stage = await properties.coreApi.getByName('contacts', 'lifecyclestage')
    assert.equal(stage.type, 'enumeration')
    assert.deepEqual(stage.options.map((o) => o.value), ['subscriber', 'lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity', 'customer', 'evangelist', 'other'])
  })
  it('the stages of deals are the options of dealstage', async () => {
    const stage = await properties.coreApi.getByName('deals', 'dealstage')
    assert.ok(stage.options.some((o) => o.value === 'closedwon'))
  })
  it('a read-only property says so', async () => {
    await properties.coreApi.getByName('contacts', 'lastmodifieddate')
    assert.equal(w.last.body.modificationMetadata.readOnlyValue, true)
  })
  it('a property that does not exist is a 404', async () => {
    assert.equal((await refusedWith(properties.coreApi.getByName('contacts', 'favourite_fruit'), 404)).body.category, 'OBJECT_NOT_FOUND')
  })
  it('a property is created with a 201 and can be written', async () => {
    const made = await create(property('shoe_size', { type: 'number', fieldType: 'number' }))
    assert.equal(w.last.status, 201)
    assert.deepEqual([made.name, made.type, made.hubspotDefined], ['shoe_size', 'number', false])
    const contact = await w.crm.contacts.basicApi.create({ properties: { lastname: 'Shod', shoe_size: '43' } })
    assert.equal((await w.crm.contacts.basicApi.getById(contact.id, ['shoe_size'])).properties.shoe_size, '43')
  })
  it('a unique property is made unique when it is created', async () => {
    assert.equal((await create(property('badge', { hasUniqueValue: true }))).hasUniqueValue, true)
    await w.crm.contacts.basicApi.create({ properties: { badge: '1' } })
    assert.equal((await w.refused(w.crm.contacts.basicApi.create({ properties: { badge: '1' } }))).status, 400)
  })
  it('changing hasUniqueValue is a 200 that changes nothing', async () => {
    await create(property('plain'))
    const { status, body } = await w.call('PATCH', '/crm/v3/properties/contacts/plain', { hasUniqueValue: true })
    assert.deepEqual([status, body.hasUniqueValue], [200, false])
  })
  it('a type takes ten unique properties of its own, and no eleventh', async () => {
    const other = await world()
    const one = (n) => other.crm.properties.coreApi.create('companies', property(`key_${n}`, { groupName: 'companyinformation', hasUniqueValue: true }))
    for (let n = 1; n <= 10; n++) await one(n)
    assert.equal((await other.refused(one(11))).status, 400)
  })
  it('a property that exists is a 409 that says its name', async () => {
    await create(property('taken'))
    const { body } = await refusedWith(create(property('taken')), 409)
    assert.deepEqual([body.category, body.subCategory, body.message],
      ['OBJECT_ALREADY_EXISTS', 'Properties.PROPERTY_WITH_NAME_EXISTS', "A property named 'taken' already exists."])
  })
  it('an unknown type of property is refused', async () => {
    await refusedWith(create(property('odd', { type: 'colour' })), 400)
  })
  it('a new label and description are kept', async () => {
    await create(property('labelled'))
    await properties.coreApi.update('contacts', 'labelled', { label: 'Better', description: 'Says more.' })
    const read = await properties.coreApi.getByName('contacts', 'labelled')
    assert.deepEqual([read.label, read.description], ['Better', 'Says more.'])
  })
  it('new options replace all old ones', async () => {
    const options = (...values) => values.map((value, displayOrder) => ({ label: value, value, displayOrder, hidden: false }))
    await create(property('colour', { type: 'enumeration', fieldType: 'select', options: options('red', 'green') }))
    await properties.coreApi.update('contacts', 'colour', { options: options('green', 'blue') })
    assert.deepEqual((await properties.coreApi.getByName('contacts', 'colour')).options.map((o) => o.value), ['green', 'blue'])
    assert.equal((await w.refused(w.crm.contacts.basicApi.create({ properties: { colour: 'red' } }))).status, 400)
  })
  it('an archived property is gone from lists and writes', async () => {
    await create(property('fleeting'))
    await properties.coreApi.archive('contacts', 'fleeting')
    assert.equal(w.last.status, 204)
    assert.equal((await properties.coreApi.getAll('contacts')).results.some((p) => p.name === 'fleeting'), false)
    assert.equal((await w.refused(w.crm.contacts.basicApi.create({ properties: { fleeting: 'x' } }))).status, 400)
  })
  it('an archived property is listed with archived=true', async () => {
    await create(property('kept_away'))
    await properties.coreApi.archive('contacts', 'kept_away')
    assert.ok((await properties.coreApi.getAll('contacts', true)).results.some((p) => p.name === 'kept_away'))
  })
  it('creating an archived name again brings it back with a 201', async () => {
    await create(property('back_again'))
    await properties.coreApi.archive('contacts', 'back_again')
    await create(property('back_again'))
    assert.equal(w.last.status, 201)
  })
  it('properties are created in a batch', async () => {
    const out = await properties.batchApi.create('contacts', { inputs: [property('batch_a'), property('batch_b')] })
    assert.equal(w.last.status, 201)
    assert.deepEqual(out.results.map((p) => p.name).sort(), ['batch_a', 'batch_b'])
  })
  it('properties are read in a batch', async () => {
    const out = await properties.batchApi.read('contacts', { archived: false, inputs: [{ name: 'email' }, { name: 'firstname' }] })
    assert.equal(w.last.status, 200)
    assert.deepEqual(out.results.map((p) => p.name).sort(), ['email', 'firstname'])
  })
  it('properties are archived in a batch', async () => {
    await create(property('batch_c'))
    await properties.batchApi.archive('contacts', { inputs: [{ name: 'batch_c' }] })
    assert.equal(w.last.status, 204)
    await refusedWith(properties.coreApi.getByName('contacts', 'batch_c'), 404)
  })
  it('the groups of properties are listed', async () => {
    const { results } = await properties.groupsApi.getAll('contacts')
    assert.ok(results.some((g) => g.name === 'contactinformation'))
  })
  it('a group is created with a 201 and read by its name', async () => {
    await properties.groupsApi.create('contacts', { name: 'debrief', label: 'Debrief', displayOrder: 3 })
    assert.equal(w.last.status, 201)
    const group = await properties.groupsApi.getByName('contacts', 'debrief')
    assert.deepEqual([group.name, group.label, group.archived], ['debrief', 'Debrief', false])
  })
  it('a group that exists is a 409', async () => {
    await properties.groupsApi.create('contacts', { name: 'doubled', label: 'Doubled' })
    assert.equal((await refusedWith(properties.groupsApi.create('contacts', { name: 'doubled', label: 'Doubled' }), 409)).body.category, 'OBJECT_ALREADY_EXISTS')
  })
  it('a group is renamed', async () => {
    await properties.groupsApi.create('contacts', { name: 'renamed', label: 'Before' })
    await properties.groupsApi.update('contacts', 'renamed', { label: 'After' })
    assert.equal((await properties.groupsApi.getByName('contacts', 'renamed')).label, 'After')
  })
  it('a group with properties cannot be archived, an empty one can', async () => {
    await properties.groupsApi.create('contacts', { name: 'full', label: 'Full' })
    await create(property('inside', { groupName: 'full' }))
    const { status } = await w.refused(properties.groupsApi.archive('contacts', 'full'))
    assert.ok(status >= 400 && status < 500, `status ${status}`)
    await properties.coreApi.archive('contacts', 'inside')
    await properties.groupsApi.archive('contacts', 'full')
    assert.equal(w.last.status, 204)
  })

  // Schemas of custom objects.

  const schema = (name, more = {}) => ({
    name, labels: { singular: `One ${name}`, plural: `Many ${name}` }, primaryDisplayProperty: 'title', requiredProperties: ['title'],
    searchableProperties: ['title'], secondaryDisplayProperties: [], associatedObjects: ['0-1'],
    properties: [{ name: 'title', label: 'Title', type: 'string', fieldType: 'text' }], ...more,
  })
  it('a custom object gets a type ID and a name with the account in it', async () => {
    const made = await schemas.create(schema('boat'))
    assert.equal(w.last.status, 201)
    assert.match(made.objectTypeId, /^2-\d+$/)
    assert.equal(made.fullyQualifiedName, `p${w.hub}_boat`)
  })
  it('a schema keeps its labels, its required properties and what it is shown by', async () => {
    const made = await schemas.create(schema('sail'))
    const read = await schemas.getById(made.objectTypeId)
    assert.deepEqual([read.labels.singular, read.labels.plural, read.requiredProperties, read.primaryDisplayProperty], ['One sail', 'Many sail', ['title'], 'title'])
    assert.ok(read.properties.some((p) => p.name === 'title'))
  })
  it('a schema is read by its full name', async () => {
    const made = await schemas.create(schema('mast'))
    assert.equal((await schemas.getById(`p${w.hub}_mast`)).objectTypeId, made.objectTypeId)
  })
  it('schemas are listed', async () => {
    const made = await schemas.create(schema('keel'))
    assert.ok((await schemas.getAll()).results.some((s) => s.objectTypeId === made.objectTypeId && s.name === 'keel'))
  })
  it('a schema that does not exist is a 404', () => refusedWith(schemas.getById('2-999'), 404))
  it('a schema of a name that is taken is a 409', async () => {
    await schemas.create(schema('deck'))
    await refusedWith(schemas.create(schema('deck')), 409)
  })
  it('a schema is changed by PATCH', async () => {
    const made = await schemas.create(schema('rope'))
    await schemas.update(made.objectTypeId, { labels: { singular: 'Rope', plural: 'Ropes' } })
    assert.equal((await schemas.getById(made.objectTypeId)).labels.plural, 'Ropes')
  })
  it('what a custom object requires is changed by PATCH', async () => {
    const made = await schemas.create(schema('knot'))
    assert.equal((await w.refused(w.crm.objects.basicApi.create(made.objectTypeId, { properties: {} }))).status, 400)
    await schemas.update(made.objectTypeId, { requiredProperties: [] })
    await w.crm.objects.basicApi.create(made.objectTypeId, { properties: {} })
  })
  it('a custom object takes further properties', async () => {
    const made = await schemas.create(schema('anchor'))
    await properties.coreApi.create(made.objectTypeId, property('weight', { type: 'number', fieldType: 'number', groupName: 'anchor_information' }))
    const record = await w.crm.objects.basicApi.create(made.objectTypeId, { properties: { title: 'Bow', weight: '120' } })
    assert.equal((await w.crm.objects.basicApi.getById(made.objectTypeId, record.id, ['weight'])).properties.weight, '120')
  })
  it('a schema with records cannot be deleted, an empty one can', async () => {
    const made = await schemas.create(schema('buoy'))
    const record = await w.crm.objects.basicApi.create(made.objectTypeId, { properties: { title: 'Red' } })
    assert.equal((await w.refused(schemas.archive(made.objectTypeId))).status, 400)
    await w.crm.objects.basicApi.archive(made.objectTypeId, record.id)
    await schemas.archive(made.objectTypeId)
    assert.equal(w.last.status, 204)
    assert.equal((await schemas.getAll()).results.some((s) => s.objectTypeId === made.objectTypeId), false)
  })
  it('a custom object is defined by who has the scope for it only', async () => {
    const other = await world()
    await other.connect({ scopes: ['oauth', 'crm.objects.contacts.write'] })
    const { status, body } = await other.refused(other.crm.schemas.coreApi.create(schema('oar')))
    assert.deepEqual([status, body.category], [403, 'MISSING_SCOPES'])
  })

  // The account.

  it('the details of an account say its ID, kind, currency and time zone', async () => {
    const { status, body } = await w.call('GET', '/account-info/v3/details')
    assert.equal(status, 200)
    assert.deepEqual([body.portalId, body.accountType, body.companyCurrency, body.timeZone], [w.hub, 'STANDARD', 'EUR', 'Europe/Lisbon'])
  })
}
