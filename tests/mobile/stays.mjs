// No phone is signed out: whatever goes wrong while a session is refreshed, the stored session survives and works
// afterwards. What goes wrong on the server is done by the test, which reads the lines that begin with "do".
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Steps, memory, phone, signIn } from './client.mjs'

const [library, runFile, ...faults] = process.argv.slice(2)
const { createClient } = await import(library)
const run = JSON.parse(readFileSync(runFile))
const steps = new Steps()
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const ask = async (action) => {
  console.log(`do ${action}`)
  await lines.next()
}

// The library tries again for half a minute of this clock; a test that has seen enough moves it on.
const clock = Date.now
let ahead = 0
Date.now = () => clock() + ahead

// A fetch as phones have it has no time limit; a test has one.
const fetched = (url, options = {}) => fetch(url, { ...options, signal: AbortSignal.timeout(20_000) })
const refreshing = (url) => String(url).includes('/auth/v1/token')
const kept = memory()
const [key, me] = await (async () => {
  const id = await signIn(phone(createClient, run, { storage: kept, fetch: fetched }), 'visitor')
  return [[...kept.kept.keys()][0], id]
})()

const copy = () => {
  const other = memory()
  other.setItem(key, kept.getItem(key))
  return other
}

// A new start of the app with the stored session: its refresh fails, and later it succeeds.
async function survives(name, { fault, mend, lost = false }) {
  const seen = []
  const watching = async (url, options) => {
    if (!refreshing(url)) return fetched(url, options)
    try {
      const answer = await fetched(url, options)
      seen.push(answer.status)
      if (lost) throw new TypeError('the connection broke')
      return answer
    } catch (error) {
      seen.push(error.name)
      throw error
    } finally {
      ahead += 60_000 // the library gives up
    }
  }
  if (fault) await ask(fault)
  const storage = copy()
  const app = phone(createClient, run, { storage, fetch: watching })
  await steps.step(`${name}: cannot refresh`, () => app.auth.refreshSession(), (answer) => answer.error)
  ahead = 0
  await steps.step(`${name}: asked once, and nothing but a 503`, () => seen, (found) => found.length > 0 && found.every((status) => status === 503 || (lost && status === 200) || typeof status === 'string'))
  await steps.step(`${name}: the session is kept`, () => storage.getItem(key), (text) => text !== null && text === kept.getItem(key))
  if (mend) await ask(mend)
  const again = phone(createClient, run, { storage, fetch: fetched })
  await steps.step(`${name}: refreshes afterwards`, () => again.auth.refreshSession(), (answer) => answer.data.session)
  await steps.step(`${name}: still the same user`, () => again.auth.getUser(), (answer) => answer.data.user?.id === me)
  if (storage.getItem(key)) kept.setItem(key, storage.getItem(key))
}

// The library's own tries bridge the fault: the app hears nothing of it.
async function bridges(name, { fault, mend }) {
  await ask(fault)
  let mended
  const watching = async (url, options) => {
    try {
      const answer = await fetched(url, options)
      if (answer.status !== 503) return answer
      mended ??= ask(mend)
      return answer
    } catch (error) {
      mended ??= ask(mend)
      throw error
    }
  }
  const app = phone(createClient, run, { storage: kept, fetch: watching })
  await steps.step(`${name}: nothing is heard of it`, () => app.auth.refreshSession(), (answer) => answer.data.session && !answer.error)
  await mended
}

const cases = {
  'answer lost': (name) => survives(name, { lost: true }),
  'database away': (name) => survives(name, { fault: 'database_away', mend: 'database_back' }),
  'sessions locked': (name) => survives(name, { fault: 'lock', mend: 'unlock' }),
  'pool empty': (name) => survives(name, { fault: 'empty_pool', mend: 'unlock' }),
  'limit reached': (name) => survives(name, { fault: 'limit', mend: 'unlimited' }),
  'a fault of ours': (name) => survives(name, { fault: 'break_schema', mend: 'mend_schema' }),
  'api away': (name) => survives(name, { fault: 'api_away', mend: 'api_back' }),
  roll: (name) => bridges(name, { fault: 'api_away', mend: 'api_back' }),
  'frozen for a moment': async (name) => {
    await ask('freeze')
    const app = phone(createClient, run, { storage: kept, fetch: fetched })
    await steps.step(name, () => app.auth.refreshSession(), (answer) => answer.data.session)
  },
  // Two processes with one stored session at once, and a third that comes late with the parent's token.
  'two at once': async (name) => {
    const [first, second, late] = [copy(), copy(), copy()]
    const both = () => Promise.all([first, second].map((storage) => phone(createClient, run, { storage, fetch: fetched }).auth.refreshSession()))
    await steps.step(name, both, ([one, two]) => one.data.session && one.data.session.refresh_token === two.data.session?.refresh_token)
    await steps.step('one late', () => phone(createClient, run, { storage: late, fetch: fetched }).auth.refreshSession(), (answer) => answer.data.session?.refresh_token === JSON.parse(first.getItem(key)).refresh_token)
    kept.setItem(key, late.getItem(key))
    const same = phone(createClient, run, { storage: kept, fetch: fetched })
    await steps.step('two in one app', () => Promise.all([same.auth.refreshSession(), same.auth.refreshSession()]), (all) => all.every((answer) => answer.data.session))
    await steps.step('still in', () => same.auth.getUser(), (answer) => answer.data.user?.id === me)
  },
}
for (const name of faults.length ? faults : Object.keys(cases)) await cases[name](name)
steps.end()
