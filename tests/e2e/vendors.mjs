// HTTP servers that stand where the vendors are: one that records and answers as told, and a small HubSpot, Stripe and
// Slack that counts effects. They are the tests' own, not the program's doubles, and never forgive a second effect.
import { createServer } from 'node:http';

class Recorded {
  get json() {
    return JSON.parse(this.raw);
  }
  get form() {
    return new URLSearchParams(this.raw);
  }
}

// Starts a server that records each request and answers what `answer(request)` gives: {status, headers, body,
// delay_ms, cut} (`delay_ms` is for effects_vendor(), where time does not matter; a test that must wait for something gives
// a promise). A body that is no text is sent as JSON. `cut` breaks instead of answering: true drops the connection,
// 'reset' resets it, 'half' drops it within the answer's body, 'silent' says nothing and keeps it, 'trickle' gives a byte a
// second. `refuse()` true resets a connection as it comes, `early()` true resets it when a request's head was read. The
// server closes when the test `t` ends. Requests are not kept with `keep` false. `until(what, holds)` waits until `holds()` is
// true, looking again at each request that comes.
export async function sink(t, answer = () => ({}), { keep = true } = {}) {
  const self = { requests: [], answer, in_flight: 0, early: undefined, refuse: undefined };
  const waiters = new Set();
  self.until = (what, holds, limit_ms = 20_000) =>
    new Promise((done, failed) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        waiters.delete(look);
        settle(value);
      };
      const came = () => JSON.stringify(self.requests.slice(-20).map(({ method, path }) => `${method} ${path}`));
      const timer = setTimeout(() => end(failed, new Error(`not after ${limit_ms} ms: ${what}; came: ${came()}`)), limit_ms);
      const look = () => {
        if (holds()) end(done);
      };
      waiters.add(look);
      look();
    });
  const server = createServer(async (incoming, outgoing) => {
    if (self.early?.()) return void incoming.socket.resetAndDestroy();
    self.in_flight += 1;
    outgoing.on('close', () => {
      self.in_flight -= 1;
    });
    const parts = [];
    try {
      for await (const part of incoming) parts.push(part);
    } catch {
      return;
    }
    const raw = Buffer.concat(parts).toString();
    const { pathname, searchParams } = new URL(incoming.url, 'http://localhost');
    const { method, url, headers } = incoming;
    const request = Object.assign(new Recorded(), {
      method,
      url,
      headers,
      raw,
      path: decodeURIComponent(pathname),
      query: searchParams,
    });
    if (keep) self.requests.push(request);
    waiters.forEach((look) => look());
    const told = (await self.answer(request)) ?? {};
    if (told.delay_ms) await new Promise((done) => setTimeout(done, told.delay_ms));
    if (told.cut === 'silent') return;
    if (told.cut === 'reset') return void incoming.socket.resetAndDestroy();
    if (told.cut === true) return void incoming.socket.destroy();
    const text = told.body === undefined ? '{}' : typeof told.body === 'string' ? told.body : JSON.stringify(told.body);
    const head = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...told.headers };
    outgoing.writeHead(told.status ?? 200, head);
    if (told.cut === 'half') return void outgoing.write(text.slice(0, text.length / 2), () => incoming.socket.destroy());
    if (told.cut === 'trickle') return trickle(outgoing, text);
    outgoing.end(text);
  });
  server.on('connection', (socket) => {
    if (self.refuse?.()) socket.resetAndDestroy();
  });
  await new Promise((done, failed) => server.on('error', failed).listen(0, '127.0.0.1', done));
  t.after(
    () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  );
  self.url = `http://127.0.0.1:${server.address().port}`;
  return self;
}

function trickle(outgoing, text) {
  let at = 0;
  const tick = setInterval(() => {
    if (at < text.length) outgoing.write(text[at++]);
    else outgoing.end();
  }, 1000);
  outgoing.on('close', () => clearInterval(tick));
}

// Counts per key.
export class Counter extends Map {
  add(key) {
    this.set(key, (this.get(key) ?? 0) + 1);
  }
  // The keys counted more often than `most`.
  over(most) {
    return [...this].filter(([, count]) => count > most);
  }
}

// HubSpot's deals and contacts, Stripe's customers and Slack's messages, reduced to what tests/faults uses. `effects`
// counts what happened, by name of the order: deals made, contacts written, customers made, messages posted.
// `random` gives faults: an effect whose answer is lost, a refusal before any effect, slow answers; `faults` turns them on.
export function effects_vendor(random) {
  const self = {
    faults: true,
    lost_answers: 0,
    effects: { deals: new Counter(), contacts: new Counter(), customers: new Counter(), messages: new Counter() },
    contacts: new Map(),
    keyed: new Map(),
  };
  const deals = new Map();
  const effect = {
    'POST /crm/v3/objects/0-3': ({ json }) => {
      const { properties } = json,
        key = properties.shopify_order_id;
      self.effects.deals.add(key);
      deals.set(key, { id: String(deals.size + 1), properties });
      return { status: 201, body: deals.get(key) };
    },
    'GET /crm/v3/objects/0-3/': ({ path }) => {
      const deal = deals.get(path.split('/').at(-1));
      return deal
        ? { body: deal }
        : { status: 404, body: { category: 'OBJECT_NOT_FOUND', message: 'resource not found' } };
    },
    'POST /crm/v3/objects/contacts/batch/upsert': ({ json }) => ({
      body: {
        status: 'COMPLETE',
        results: json.inputs.map(({ id, properties }) => {
          self.effects.contacts.add(id);
          self.contacts.set(id, properties);
          return { id: `c-${id}`, properties, new: false };
        }),
      },
    }),
    // The first answer comes back for the same key: docs.stripe.com/api/idempotent_requests.
    'POST /v1/customers': ({ form, headers }) => {
      const key = headers['idempotency-key'];
      if (key && self.keyed.has(key)) return self.keyed.get(key);
      self.effects.customers.add(form.get('metadata[order]'));
      const answer = { body: { id: `cus_${self.keyed.size}`, object: 'customer' } };
      if (key) self.keyed.set(key, answer);
      return answer;
    },
    'POST /chat.postMessage': (request) => {
      const text = request.headers['content-type'].includes('json') ? request.json.text : request.form.get('text');
      self.effects.messages.add(text);
      return { body: { ok: true, channel: 'C1', ts: String(self.effects.messages.size) } };
    },
  };
  self.answer = (request) => {
    const found = Object.entries(effect).find(([key]) => {
      const [method, path] = key.split(' ');
      return method === request.method && (path.endsWith('/') ? request.path.startsWith(path) : request.path === path);
    });
    if (!found)
      return { status: 404, body: { message: `the test's vendor does not know ${request.method} ${request.path}` } };
    const chance = self.faults ? random() : 1,
      delay_ms = self.faults ? Math.floor(random() * 60) : 0;
    if (chance < 0.02) return { status: 503, body: { message: 'try later' } };
    if (chance < 0.03)
      return { status: 429, headers: { 'Retry-After': '1' }, body: { ok: false, error: 'ratelimited' } };
    const answer = { ...found[1](request), delay_ms };
    if (chance < 0.05) {
      self.lost_answers += 1;
      return { ...answer, cut: true };
    }
    return answer;
  };
  return self;
}
