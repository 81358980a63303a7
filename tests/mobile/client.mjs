// A phone: the real client library, with memory as its storage and every request written down.
globalThis.WebSocket ??= class {} // realtime wants one before Node 22; it is never used

export const REDIRECT = 'loppestars://auth/callback'

const WRITTEN = ['accept', 'accept-profile', 'content-profile', 'content-type', 'prefer', 'range', 'x-upsert']

export class Recorder {
  constructor(run) {
    this.run = run
    this.calls = []
    this.names = {} // what a text stands for in the fixture
  }

  name(text, name) {
    if (text) this.names[text] = `{${name}}`
  }

  neutral(text) {
    for (const [found, name] of Object.entries(this.names)) {
      text = text.replaceAll(found, name).replaceAll(encodeURIComponent(found), name)
    }
    return text
  }

  fetchAs(who, change = (options) => options) {
    return async (input, options = {}) => {
      const changed = change(options)
      const answer = await fetch(input, changed)
      const url = new URL(String(input))
      if (/^\/(rest|storage|functions)\//.test(url.pathname)) this.write(who, url, changed, answer)
      return answer
    }
  }

  write(who, url, options, answer) {
    const headers = {}
    const given = new Headers(options.headers)
    for (const name of WRITTEN) if (given.has(name)) headers[name] = given.get(name)
    const call = {
      who,
      method: options.method ?? 'GET',
      path: this.neutral(url.pathname + url.search.replace(/token=[^&]+/, 'token={link}')),
      headers,
      status: answer.status,
    }
    if (options.body instanceof FormData) {
      call.form = [...options.body.entries()].map(([name, value]) => [name, typeof value === 'string' ? value : null])
    } else if (typeof options.body === 'string') {
      call.body = this.neutral(options.body)
    } else if (options.body) {
      const bytes = new Uint8Array(options.body)
      if (bytes[0] === 0xff) call.photo = true
      else call.body = new TextDecoder().decode(bytes)
    }
    this.calls.push(call)
  }
}

export function memory() {
  const kept = new Map()
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => { kept.set(key, value) },
    removeItem: (key) => { kept.delete(key) },
  }
}

export function phone(createClient, run, { storage = memory(), auth = {}, fetch: fetched, key = run.key, headers } = {}) {
  const options = {
    auth: { storage, autoRefreshToken: false, persistSession: true, detectSessionInUrl: false, ...auth },
    global: { fetch: fetched, ...(headers ? { headers } : {}) },
  }
  return createClient(run.url, key, options)
}

// What the browser of the phone does: follow redirects until one is the app's.
async function follow(url) {
  for (let hop = 0; hop < 6; hop++) {
    const answer = await fetch(url, { redirect: 'manual' })
    const next = answer.headers.get('location')
    if (!next) throw new Error(`${answer.status} ${await answer.text()}`)
    if (next.startsWith('loppestars:')) return next
    url = next
  }
  throw new Error('too many redirects')
}

export async function browser(client, person, provider = 'google') {
  const options = { redirectTo: REDIRECT, skipBrowserRedirect: true, queryParams: { login_hint: person } }
  const { data, error } = await client.auth.signInWithOAuth({ provider, options })
  if (error) throw error
  return new URL((await follow(data.url)).replace('#', '?'))
}

export async function signIn(client, person) {
  const found = (await browser(client, person)).searchParams
  const tokens = { access_token: found.get('access_token'), refresh_token: found.get('refresh_token') }
  const { data, error } = await client.auth.setSession(tokens)
  if (error) throw error
  return data.user.id
}

export class Steps {
  constructor() {
    this.failed = 0
    this.count = 0
  }

  // A step is named, done, and judged; one that throws has failed.
  async step(name, work, judge) {
    this.count += 1
    let found
    try {
      found = await work()
      if (judge(found)) return found
    } catch (error) {
      found = String(error?.stack ?? error)
    }
    this.failed += 1
    const shown = typeof found === 'string' ? found : JSON.stringify(found, (_, value) => (value instanceof Error ? { ...value, message: value.message } : value))
    console.log(`FAILED ${name}: ${String(shown).slice(0, 600)}`)
    return found
  }

  end() {
    console.log(JSON.stringify({ steps: this.count, failed: this.failed }))
    process.exit(this.failed ? 1 : 0)
  }
}
