// Everything the released app asks of its backend, by the library named on the command line; then the same by others.
import { readFileSync, writeFileSync } from 'node:fs'
import { Recorder, Steps, browser, memory, phone, signIn } from './client.mjs'

const [library, runFile, recordFile] = process.argv.slice(2)
const { createClient } = await import(library)
const run = JSON.parse(readFileSync(runFile))
const recorder = new Recorder(run)
const steps = new Steps()
const step = steps.step.bind(steps)
for (const [name, id] of Object.entries(run.markets)) recorder.name(id, name)

const ok = (answer) => !answer.error
const rows = (count) => (answer) => !answer.error && answer.data.length === count
const refused = (status, code) => (answer) => answer.status === status && answer.error?.code === code
const JPEG = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, ...new Array(500).fill(0)])
const PHOTOS = 'stall-photos'

// --- the app before anybody has signed in
const me = phone(createClient, run, { fetch: recorder.fetchAs('anon') })
await step('start-up gate', () => me.from('markets').select('id').limit(1), rows(1))
await step('home: ratings', () => me.from('ratings').select('id'), rows(1))
await step('home: total', () => me.from('markets').select('*', { count: 'exact', head: true }), (a) => a.count === 2)
const list = () => me.from('markets').select('*, ratings_count:ratings(count)').order('start_date', { ascending: true }).limit(50)
await step('list', list, (a) => a.data[0].id === run.markets.now && a.data[0].ratings_count[0].count === 1 && a.data.length === 2)
const card = () => me.from('ratings').select('rating').eq('market_id', run.markets.now)
await step('50 cards at once', () => Promise.all(Array.from({ length: 50 }, card)), (all) => all.every(rows(1)))
recorder.calls.splice(-49)
await step('details', () => me.from('ratings').select('*').eq('market_id', run.markets.now).order('created_at', { ascending: false }).limit(10), (a) => a.data[0].user_id === null && a.data[0].mobilepay_phone === null && a.data[0].photo_url === null)
await step('a market that is over', () => me.from('markets').select('name').eq('id', run.markets.over).single(), ok)

// --- signed in
const user = phone(createClient, run, { storage: memory(), fetch: recorder.fetchAs('me') })
const id = await step('sign-in', () => signIn(user, 'visitor'), (found) => typeof found === 'string')
recorder.name(id, 'me')
const event = { user_id: id, event_type: 'market_selected', entity_type: 'market', entity_id: run.markets.now, metadata: { name: 'Bod 7 & søn' }, timestamp: '2026-05-01T10:00:00.000Z' }
const last = () => user.from('events').select('entity_id, metadata').eq('user_id', id).eq('event_type', 'market_selected').order('timestamp', { ascending: false }).limit(1).single()
await step('no last selection', last, refused(406, 'PGRST116'))
await step('event', () => user.from('events').insert(event).select('id').single(), (a) => a.status === 201 && a.data.id)
await step('last selection', last, (a) => a.data.entity_id === run.markets.now && a.data.metadata.name === 'Bod 7 & søn')
const events = (columns) => user.from('events').select(columns).eq('user_id', id).eq('event_type', 'market_selected').eq('entity_type', 'market').eq('entity_id', run.markets.now)
for (const columns of ['event_type', 'id', '*']) await step(`events: ${columns}`, () => events(columns).order('timestamp', { ascending: false }).range(0, 9), rows(1))
const mine = () => user.from('ratings').select('id').eq('user_id', id).eq('market_id', run.markets.now)
await step('duplicate check', mine, rows(0))
await step('duplicate check: stall', () => user.from('ratings').select('id, stall_name').eq('user_id', id).eq('market_id', run.markets.now).eq('stall_name', 'Bod 7 & søn'), rows(0))
await step('duplicate check: market', () => user.from('ratings').select('id, rating_type').eq('user_id', id).eq('market_id', run.markets.now).is('stall_name', null), rows(0))
const rating = { user_id: id, market_id: run.markets.now, stall_name: 'Bod 7 & søn', mobilepay_phone: '12345678', rating: 9, photo_url: null, rating_type: 'stall', created_at: '2026-05-01T10:00:00.000Z' }
const rate = () => user.from('ratings').insert(rating).select('id').single()
const stored = await step('new rating', rate, (a) => a.status === 201 && a.data.id)
recorder.calls.at(-1).names = 'rating'
recorder.name(stored.data?.id, 'rating')
await step('a second tap', rate, (a) => a.status === 201 && a.data.id === stored.data.id)
await step('a second tap: one row', mine, rows(1))
await step('market rating', () => user.from('ratings').insert({ ...rating, stall_name: null, mobilepay_phone: null, rating_type: 'market' }).select('id').single(), (a) => a.status === 201)
await step('several rows', () => user.from('ratings').insert([{ ...rating, stall_name: 'A' }, { ...rating, stall_name: 'B' }]).select('id'), rows(2))
await step('change', () => user.from('ratings').update({ rating: 3 }).eq('id', stored.data.id).select('id').single(), (a) => a.data?.id === stored.data.id)
await step('change: no such row', () => user.from('ratings').update({ rating: 3 }).eq('id', run.markets.over).select('id').single(), refused(406, 'PGRST116'))
await step('my ratings', () => user.from('ratings').select('*').eq('user_id', id).order('created_at', { ascending: false }), (a) => a.data.length === 4 && a.data.every((row) => row.user_id === id))
await step('admin?', () => user.rpc('current_user_is_admin'), (a) => a.data === false)
await step('unknown column', () => user.from('ratings').select('nothing'), refused(400, '42703'))
await step('unknown table', () => user.from('nothing').select('*'), refused(404, 'PGRST205'))
await step('out of range', () => user.from('ratings').insert({ ...rating, rating: 11 }), refused(400, '23514'))
await step('realtime is not used', async () => (await fetch(`${run.url}/realtime/v1/websocket?apikey=${run.key}`)).status, (status) => status === 501)

// --- photos
const files = user.storage.from(PHOTOS)
const path = `${id}/1700000000001.jpg`
const upload = (to, body, more = {}) => files.upload(to, body, { contentType: 'image/jpeg', upsert: false, ...more })
await step('upload: bytes', () => upload(path, JPEG.buffer), (a) => a.data?.fullPath === `${PHOTOS}/${path}` && a.data.id)
await step('upload: blob', () => upload(`${id}/1700000000002.jpg`, new Blob([JPEG], { type: 'image/jpeg' })), ok)
await step('upload: file', () => upload(`${id}/1700000000003.jpg`, new File([JPEG], 'a.jpg', { type: 'image/jpeg' })), ok)
await step('upload: twice', () => upload(path, JPEG.buffer), (a) => a.error.statusCode === '409' && /exists/.test(a.error.message))
await step('upload: again, meant', () => upload(path, JPEG.buffer, { upsert: true }), ok)
await step('update', () => files.update(path, JPEG.buffer, { contentType: 'image/jpeg' }), ok)
await step('upload: no photo', () => upload(`${id}/4.jpg`, new TextEncoder().encode('<svg/>').buffer), (a) => a.error.statusCode === '415')
await step('upload: climbing', () => upload(`${id}/../x/5.jpg`, JPEG.buffer), (a) => a.error)
const processed = await step('process', async () => (await fetch(`${run.url}/process`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ imagePath: path, userId: id, mode: 'pixelate' }) })).json(), (a) => a.success === true)
const published = processed.processedImageUrl?.split('/stall-photos-processed/')[1]
await step('public url', async () => {
  const { data } = user.storage.from('stall-photos-processed').getPublicUrl(published)
  const answer = await fetch(data.publicUrl)
  return { status: answer.status, same: data.publicUrl === processed.processedImageUrl, type: answer.headers.get('content-type') }
}, (a) => a.status === 200 && a.type === 'image/jpeg')
await step('download', () => files.download(path), (a) => a.data?.size === JPEG.length)
await step('list', () => files.list(id), (a) => a.data?.length === 3 && a.data.every((file) => file.id && file.metadata.size === JPEG.length))
await step('list: pages', () => files.list(id, { limit: 1, offset: 1, sortBy: { column: 'name', order: 'desc' } }), (a) => a.data?.[0].name === '1700000000002.jpg')
await step('info', () => files.info(path), (a) => a.data?.size === JPEG.length && a.data.contentType === 'image/jpeg')
await step('exists', () => files.exists(path), (a) => a.data === true)
await step('exists not', () => files.exists(`${id}/9.jpg`), (a) => a.data === false)
const link = await step('sign', () => files.createSignedUrl(path, 60), (a) => a.data?.signedUrl.includes('token='))
await step('signed read', async () => (await (await fetch(link.data.signedUrl)).arrayBuffer()).byteLength, (size) => size === JPEG.length)
await step('sign several', () => files.createSignedUrls([path, 'other/1.jpg'], 60), (a) => a.data?.[0].signedUrl && a.data[1].error)
await step('upload by link', async () => {
  const { data } = await files.createSignedUploadUrl(`${id}/6.jpg`)
  return files.uploadToSignedUrl(data.path, data.token, JPEG.buffer, { contentType: 'image/jpeg' })
}, ok)
await step('copy', () => files.copy(path, `${id}/7.jpg`), (a) => a.data?.path === `${PHOTOS}/${id}/7.jpg`)
await step('move', () => files.move(`${id}/7.jpg`, `${id}/8.jpg`), ok)
await step('remove', () => files.remove([`${id}/8.jpg`, 'other/1.jpg']), (a) => a.data?.length === 1 && a.data[0].name === `${id}/8.jpg`)

// --- functions
const invoke = (client, name, options) => client.functions.invoke(name, options)
const fails = (status) => (a) => a.error?.context?.status === status
await step('trigger-scraper: visitor', () => invoke(user, 'trigger-scraper'), fails(403))
await step('api-proxy', () => invoke(user, 'api-proxy?path=/health', { method: 'GET' }), (a) => a.data?.status === 'healthy')
await step('api-proxy: no path', () => invoke(user, 'api-proxy', { method: 'GET' }), fails(400))

// --- an admin
const admin = phone(createClient, run, { fetch: recorder.fetchAs('admin'), headers: { Authorization: `Bearer ${run.tokens.admin}` } })
await step('admin: trigger-scraper', () => invoke(admin, 'trigger-scraper'), (a) => a.data?.success && a.data.scraperResponse)
await step('admin: report', () => invoke(admin, 'send-scrape-status', { body: { success: true, message: 'done', timestamp: '2026-05-01T10:00:00Z', output: 'x' } }), (a) => a.data?.logged && a.data.id)
await step('admin: logs', () => admin.from('scraping_logs').select('*').order('scraped_at', { ascending: false }).limit(5), rows(1))
await step('admin: freshness', () => admin.from('markets').select('scraped_at, name').order('scraped_at', { ascending: false }).limit(3), rows(2))
await step('admin: grant', () => admin.rpc('grant_admin_rights', { target_user_id: id, notes: 'n' }), (a) => a.data === id)
await step('admin: is admin', () => admin.rpc('user_is_admin', { user_id: id }), (a) => a.data === true)
await step('admin: revoke', () => admin.rpc('revoke_admin_rights', { target_user_id: id, notes: 'n' }), (a) => a.data === true)

// --- the same by others: another user, an expired token, the key alone, and no key at all
const without = (options) => {
  const headers = new Headers(options.headers)
  headers.delete('apikey')
  headers.delete('authorization')
  return { ...options, headers }
}
const other = phone(createClient, run, { fetch: recorder.fetchAs('other'), headers: { Authorization: `Bearer ${run.tokens.other}` } })
const expired = phone(createClient, run, { fetch: recorder.fetchAs('expired'), headers: { Authorization: `Bearer ${run.tokens.expired}` } })
const keyless = phone(createClient, run, { fetch: recorder.fetchAs('nobody', without) })
const asked = (client) => ({
  read: () => client.from('events').select('*').eq('user_id', id),
  insert: () => client.from('ratings').insert({ ...rating, stall_name: 'Stolen' }).select('id'),
  event: () => client.from('events').insert(event).select('id').single(),
  change: () => client.from('ratings').update({ rating: 1 }).eq('id', stored.data.id).select('id').single(),
  remove: () => client.from('ratings').delete().eq('id', stored.data.id).select('id'),
  logs: () => client.from('scraping_logs').select('*'),
  grant: () => client.rpc('grant_admin_rights', { target_user_id: id, notes: 'n' }),
  upload: () => client.storage.from(PHOTOS).upload(`${id}/99.jpg`, JPEG.buffer, { contentType: 'image/jpeg' }),
  download: () => client.storage.from(PHOTOS).download(path),
  list: () => client.storage.from(PHOTOS).list(id),
  sign: () => client.storage.from(PHOTOS).createSignedUrl(path, 60),
  delete: () => client.storage.from(PHOTOS).remove([path]),
  trigger: () => invoke(client, 'trigger-scraper'),
  report: () => invoke(client, 'send-scrape-status', { body: { status: 'x' } }),
})
const forbidden = { read: rows(0), insert: refused(403, '42501'), event: refused(403, '42501'), change: refused(406, 'PGRST116'), remove: rows(0), logs: refused(403, '42501'), grant: refused(403, '42501'), upload: (a) => a.error.statusCode === '403', download: (a) => a.error, list: rows(0), sign: (a) => a.error.statusCode === '404', delete: rows(0), trigger: fails(403), report: fails(403) }
const anonymous = { ...forbidden, insert: refused(401, '42501'), event: refused(401, '42501'), change: refused(401, '42501'), remove: refused(401, '42501'), logs: refused(401, '42501'), grant: refused(401, '42501'), trigger: fails(401), report: fails(401) }
const closed = (code) => Object.fromEntries(Object.keys(forbidden).map((name) => [name, (a) => (a.status === 401 && a.error.code === code) || (!('code' in a.error && a.error.code === code) && ((a.error.statusCode ?? a.error.status) == '401' || a.error.context?.status === 401 || a.error.originalError?.status === 401))]))
for (const [name, client, judges] of [['other', other, forbidden], ['anon', me, anonymous], ['expired', expired, closed('PGRST303')], ['no key', keyless, closed('PGRST302')]]) {
  for (const [what, work] of Object.entries(asked(client))) await step(`${name}: ${what}`, work, judges[what])
}
await step('nothing came of it', () => files.list(id), (a) => a.data?.some((file) => file.name === '1700000000001.jpg') && !a.data.some((file) => file.name === '99.jpg'))
await step('own rating gone', () => user.from('ratings').delete().eq('id', stored.data.id), (a) => a.status === 204)

// --- the account
await step('getUser', () => user.auth.getUser(), (a) => a.data.user?.id === id)
await step('updateUser', () => user.auth.updateUser({ data: { city: 'Odense' } }), (a) => a.data.user?.user_metadata.city === 'Odense')
await step('refresh', () => user.auth.refreshSession(), (a) => a.data.session)
await step('still allowed', mine, rows(3))
const pkce = phone(createClient, run, { storage: memory(), auth: { flowType: 'pkce' }, fetch })
await step('pkce', async () => pkce.auth.exchangeCodeForSession((await browser(pkce, 'visitor', 'facebook')).searchParams.get('code')), (a) => a.data.session)
await step('signOut', () => pkce.auth.signOut(), ok)
if (recordFile) writeFileSync(recordFile, JSON.stringify(recorder.calls, null, 1) + '\n')
steps.end()
