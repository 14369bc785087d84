// The outside recorder: a process of its own that plays the vendors' sending side and their receiving side, writes down
// every acknowledged event and every effect with its time, and compares them at the end with what the program says became
// of each. It shares nothing with the program but HTTP, and outlives every death of it.
import { Agent, request } from 'node:http';
import { shopify } from '../e2e/sign.mjs';
import { prng, Tieline } from '../e2e/support.mjs';
import { Counter, effects_vendor, sink } from '../e2e/vendors.mjs';

const { seed } = JSON.parse(process.argv[2]);
const kEnded = ['delivered', 'skipped', 'stale', 'dead', 'discarded', 'held'];
const kPending = ['pending', 'running', 'retrying', 'parked'];
const now = () => Number(process.hrtime.bigint() / 1000n) / 1e6; // seconds

// Text of `length` that compresses by half at most; the same each time.
const noises = new Map();
function noise(length) {
  if (!noises.has(length)) {
    const random = prng(seed);
    noises.set(length, Buffer.from(Array.from({ length: length / 2 }, () => random() * 256)).toString('hex'));
  }
  return noises.get(length);
}

// The sending side: posts signed orders, and what gets no 200 again with the same id, except a few that are given up.
class Sender {
  constructor() {
    this.random = prng(seed + 2);
    this.agent = new Agent({ keepAlive: true, maxSockets: 32 });
    this.number = 0;
    this.stopping = false;
    this.forget();
  }

  forget() {
    this.sent = new Map(); // name -> when first sent
    this.acked = new Map(); // name -> {at, answers}
    this.statuses = new Counter();
    this.reasons = new Counter();
    this.waiting = new Set();
  }

  post(name, signed) {
    return new Promise((done) => {
      const headers = { ...signed.headers, 'Content-Length': signed.body.length };
      const out = request(this.url, { method: 'POST', agent: this.agent, timeout: 5_000, headers }, (answer) => {
        let body = '';
        answer
          .on('data', (part) => {
            body += part;
          })
          .on('error', () => done(false))
          .on('end', () => {
            if (!answer.complete) return done(false);
            this.statuses.add(answer.statusCode);
            if (answer.statusCode === 200) {
              const known = this.acked.get(name) ?? { at: now(), answers: new Set() };
              known.answers.add(body);
              this.acked.set(name, known);
            } else {
              this.reasons.add(`${answer.statusCode} ${body}`.slice(0, 300));
            }
            done(answer.statusCode === 200);
          });
      });
      out
        .on('timeout', () => out.destroy())
        .on('error', () => done(false))
        .end(signed.body);
    });
  }

  // `pad` bytes more in the body, that do not compress.
  order(number, pad = 0) {
    const name = `s${seed}-${number}`;
    const value = { id: number, name, email: `${name}@example.com`, customer: number % 7, total_price: '12.50' };
    if (number % 23 === 5) value.poison = true;
    if (pad > 0) value.note = noise(pad);
    const signed = shopify('orders/create', Buffer.from(JSON.stringify(value)), { id: name });
    return { name, signed };
  }

  async deliver({ name, signed }, patient) {
    this.sent.set(name, this.sent.get(name) ?? now());
    const gives_up = !patient && this.random() < 0.1,
      twice = this.random() < 0.1;
    while (!(await this.post(name, signed)) && !gives_up && !this.stopping)
      await new Promise((done) => setTimeout(done, 100));
    if (twice) await this.post(name, signed);
  }

  // Sends in the background until `quiet`.
  begin({ url, per_second }) {
    this.url = url;
    this.stopping = false;
    this.ticks = setInterval(() => {
      const work = this.deliver(this.order(++this.number), false).finally(() => this.waiting.delete(work));
      this.waiting.add(work);
    }, 1000 / per_second);
  }

  // Sends no more, and gives what is under way five seconds.
  async quiet() {
    clearInterval(this.ticks);
    let timer;
    const late = new Promise((done) => {
      timer = setTimeout(done, 5_000);
    });
    await Promise.race([Promise.all(this.waiting), late]);
    clearTimeout(timer);
    this.stopping = true;
  }

  // Sends `count` orders, `at_once` at a time; each until it is taken, or once with `once`. Tells how many were taken.
  async send({ url, count, at_once = 8, pad = 0, once = false }) {
    this.url = url;
    this.stopping = false;
    const last = this.number + count;
    let taken = 0;
    const work = async () => {
      while (this.number < last) {
        const order = this.order(++this.number, pad);
        if (once) {
          this.sent.set(order.name, this.sent.get(order.name) ?? now());
          taken += (await this.post(order.name, order.signed)) ? 1 : 0;
        } else {
          await this.deliver(order, true);
          taken += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: at_once }, work));
    return taken;
  }

  // Sends what was taken once more, as vendors do that lost our answer.
  async repeat() {
    for (const name of [...this.acked.keys()]) {
      const { signed } = this.order(Number(name.split('-')[1]));
      await this.post(name, signed);
    }
  }
}

// The receiving side: HubSpot, Stripe and Slack, a system that keeps one thing a key, one that
// never works, and one that counts numbers.
class Receiver {
  constructor() {
    this.random = prng(seed + 3);
    this.mode = { share: 0 };
    this.forget();
  }

  forget() {
    this.vendor = effects_vendor(prng(seed + 1));
    this.vendor.faults = false;
    this.ordered = new Map(); // key -> names as they came
    this.attempts = new Counter(); // of what never works
    this.requests = 0;
    this.numbers = new Map(); // number -> how often
    this.broken = 0;
  }

  // What was seen until now; and back to it, when a copy of the store of then is put in place.
  remember() {
    const { effects, contacts } = this.vendor;
    this.then = structuredClone({ effects: Object.entries(effects).map(([name, counts]) => [name, [...counts]]), contacts, ordered: this.ordered, attempts: [...this.attempts] }); // prettier-ignore
  }
  rewind() {
    const { effects, contacts, ordered, attempts } = structuredClone(this.then);
    for (const [name, counts] of effects) this.vendor.effects[name] = new Counter(counts);
    Object.assign(this.vendor, { contacts });
    Object.assign(this, { ordered, attempts: new Counter(attempts) });
  }

  struck(mode) {
    if (this.mode.name !== mode || this.random() >= this.mode.share) return false;
    this.broken += 1;
    return true;
  }

  async open(t) {
    this.server = await sink(t, (request) => this.answer(request), { keep: false });
    this.server.refuse = () => this.struck('refuse');
    this.server.early = () => this.struck('early');
    return this.server.url;
  }

  answer(request) {
    this.requests += 1;
    if (this.struck('down')) return { status: 503, body: { message: 'down' } };
    if (this.struck('silent')) return { cut: 'silent' };
    const answer = this.effect(request);
    if (this.mode.name === 'refuse') return { ...answer, headers: { ...answer.headers, Connection: 'close' } };
    for (const cut of ['reset', 'half', 'trickle']) if (this.struck(cut)) return { ...answer, cut };
    return answer;
  }

  effect(request) {
    const [, kind, key] = request.path.split('/');
    if (kind === 'ordered') {
      this.ordered.set(key, [...(this.ordered.get(key) ?? []), request.json.name]);
      return { body: {} };
    }
    if (kind === 'number') {
      this.numbers.set(Number(key), (this.numbers.get(Number(key)) ?? 0) + 1);
      return { body: {} };
    }
    if (kind === 'limited') {
      this.attempts.add(key);
      return { status: 500, body: { message: 'always' } };
    }
    return this.vendor.answer(request);
  }
}

// How often a run of `flow` had its effect, by name of the order; undefined where that is not what it is judged by.
const effects_of = (receiver) => {
  const { deals, customers, messages, contacts } = receiver.vendor.effects;
  return {
    'unsafe-with-find': { counts: deals, once: true },
    'unsafe-with-key': { counts: customers, once: true },
    'unsafe-alone': { counts: messages, once: true },
    repeatable: { counts: new Map([...contacts].map(([key, count]) => [key.replace('@example.com', ''), count])) },
    ordered: { counts: new Map([...receiver.ordered.values()].flat().map((name) => [name, 1])) },
  };
};

// Per key, an older order's effect behind a newer one's.
function disordered(receiver, runs) {
  const position = new Map(runs.map((run) => [run.event_id, run.event]));
  const wrong = [];
  for (const [key, names] of receiver.ordered) {
    for (let i = 1; i < names.length; ++i)
      if (position.get(names[i]) < position.get(names[i - 1])) wrong.push(`${key}: ${names[i]} behind ${names[i - 1]}`);
  }
  return wrong;
}

// What the program says of each acknowledged order in each flow, beside what was seen here.
async function compare(sender, receiver, { admin, flows, attempts_max }) {
  const program = Tieline.at(admin),
    out = { sent: sender.sent.size, acked: sender.acked.size, requests: receiver.requests, broken: receiver.broken };
  const states = new Counter(),
    lists = { absent: [], strangers: [], doubled: [], lost: [], disordered: [], over_policy: [], two_ids: [], ended: [] };
  for (const [name, { answers }] of sender.acked)
    if (new Set([...answers].map((body) => JSON.parse(body).id)).size > 1) lists.two_ids.push(name);
  const effects = effects_of(receiver);
  for (const flow of flows) {
    const runs = await program.runs({ flow });
    const state = new Map(runs.map((run) => [run.event_id, run.state]));
    // A run whose event was damaged knows its number only.
    for (const { event_id } of runs)
      if (event_id !== undefined && !sender.sent.has(event_id)) lists.strangers.push(`${flow} ${event_id}`);
    for (const name of sender.acked.keys()) {
      const found = state.get(name);
      states.add(found ?? 'absent');
      if (!kEnded.includes(found) && !kPending.includes(found)) lists.absent.push(`${flow} ${name}`);
    }
    const { counts, once } = effects[flow] ?? {};
    if (counts) {
      for (const [name, found] of state)
        if (name !== undefined && found === 'delivered' && !counts.get(name)) lists.lost.push(`${flow} ${name}`);
      if (once) for (const [name, count] of counts) if (count > 1) lists.doubled.push(`${flow} ${name} ${count}`);
    }
    if (flow === 'ordered') lists.disordered.push(...disordered(receiver, runs));
    for (const run of runs)
      if (run.state === 'dead' && run.event_id !== undefined) lists.ended.push({ flow, name: run.event_id, summary: run.summary });
  }
  const limited = flows.includes('limited') ? await program.runs({ flow: 'limited' }) : [];
  const tries = new Map(limited.map((run) => [run.event_id, run.run]));
  for (const [name, count] of receiver.attempts) {
    if (count <= attempts_max) continue;
    // What probes in an outage is no try of its run.
    const { runs } = await program.get(`/api/events/${encodeURIComponent(tries.get(name))}`);
    const told = runs.flatMap(({ story }) => story).filter(({ text }) => text.includes('in an outage, which costs the run no try'));
    if (count > attempts_max + told.length) lists.over_policy.push(`${name} ${count}, ${told.length} of them in an outage`);
  }
  const surprises = [...sender.statuses].filter(([status]) => status !== 200 && status !== 503);
  return { ...out, states: Object.fromEntries(states), ...lists, surprises, reasons: [...sender.reasons.keys()] };
}

const after = [],
  sender = new Sender(),
  receiver = new Receiver();
const methods = {
  open: async () => ({ url: await receiver.open({ after: (f) => after.push(f) }) }),
  begin: (how) => sender.begin(how),
  quiet: () => sender.quiet(),
  send: (how) => sender.send(how),
  repeat: () => sender.repeat(),
  // Another store begins. (Names go on.)
  forget: () => {
    sender.forget();
    receiver.forget();
  },
  remember: () => receiver.remember(),
  rewind: () => receiver.rewind(),
  vendor_faults: (on) => {
    receiver.vendor.faults = on;
  },
  behave: (mode) => {
    receiver.mode = mode;
  },
  counts: () => ({
    sent: sender.sent.size,
    acked: sender.acked.size,
    requests: receiver.requests,
    broken: receiver.broken,
    statuses: Object.fromEntries(sender.statuses),
    reasons: [...sender.reasons.keys()],
  }),
  acked: () => [...sender.acked.keys()],
  numbers: ({ from, to }) => {
    const found = { absent: 0, once: 0, more: 0, strangers: 0 };
    for (let n = from; n <= to; ++n) {
      const count = receiver.numbers.get(n) ?? 0;
      found[count === 0 ? 'absent' : count === 1 ? 'once' : 'more'] += 1;
    }
    for (const n of receiver.numbers.keys()) if (n < from || n > to) found.strangers += 1;
    return found;
  },
  compare: (how) => compare(sender, receiver, how),
};
process.on('message', async ({ id, method, argument }) => {
  try {
    process.send({ id, result: (await methods[method](argument)) ?? null });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
});
process.on('disconnect', () => process.exit(0));
