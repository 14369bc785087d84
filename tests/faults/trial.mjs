// One trial: a workspace, the program under faults, and the recorder that judges it. Cases are written in these words.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connections, free_port, prng, Tieline, until, workspace } from '../e2e/support.mjs';
import { Control } from './control.mjs';

const begin = `on: { webhook: shopify, event: orders/create }
retry: { first: 100ms, max: 1s, for: 1d }
steps:
`;
// One flow for each way in which an effect is kept from happening twice, one whose order counts, and one that fails.
export const flows = {
  'unsafe-with-find': `${begin}  - call: deals.deals.create
    with: { shopify_order_id: =.name, dealname: ="Order \\(.name)" }
    timeout: 2s
`,
  'unsafe-with-key': `${begin}  - call: stripe.customers.create
    with: { email: =.email, metadata: { order: =.name } }
    timeout: 2s
`,
  'unsafe-alone': `${begin}  - call: slack.chat.postMessage
    with: { channel: ="C\\(.id)", text: =.name }
    timeout: 2s
`,
  repeatable: `${begin}  - call: contacts.contacts.upsert
    with: { email: =.email, firstname: =.name }
    timeout: 2s
`,
  ordered: `key: .customer
${begin}  - call: target.request.put
    with: { path: ="/ordered/\\(.customer)", body: { name: =.name } }
    timeout: 2s
`,
  limited: `on: { webhook: shopify, event: orders/create }
retry: { first: 20ms, max: 100ms, tries: 3 }
steps:
  - { filter: .poison == true }
  - call: target.request.put
    with: { path: ="/limited/\\(.name)" }
    timeout: 2s
`,
};

// The recorder's methods, called from here.
class Recorder {
  constructor(t, seed) {
    this.child = fork(fileURLToPath(new URL('recorder.mjs', import.meta.url)), [JSON.stringify({ seed })]);
    this.asked = new Map();
    this.last = 0;
    this.child.on('message', ({ id, result, error }) => {
      const { done, failed } = this.asked.get(id);
      this.asked.delete(id);
      if (error) failed(new Error(`the recorder: ${error}`));
      else done(result);
    });
    this.child.on('exit', (code) => {
      for (const { failed } of this.asked.values()) failed(new Error(`the recorder ended with ${code}`));
    });
    t.after(() => this.child.kill('SIGKILL'));
  }
  call(method, argument) {
    return new Promise((done, failed) => {
      this.asked.set(++this.last, { done, failed });
      this.child.send({ id: this.last, method, argument });
    });
  }
}

const sum = (states, names) => names.reduce((all, name) => all + (states[name] ?? 0), 0);

export class Trial {
  // `base_url(url)` gives the address by which the program calls the receiving side; `shim` false runs without it.
  static async begin(t, { seed, base_url = (url) => url, only = Object.keys(flows), more = {}, shim = true, store }) {
    const self = new Trial();
    Object.assign(self, { t, seed, random: prng(seed), deaths: 0, output: '', flows: only });
    self.recorder = new Recorder(t, seed);
    const { url } = await self.recorder.call('open');
    self.url = url;
    self.port = await free_port();
    const at = base_url(url);
    self.dir = workspace(t, {
      settings: {
        listen: { hooks: `127.0.0.1:${self.port}`, admin: '127.0.0.1:0' },
        ...(store ? { store: { url: `sqlite:${store}` } } : {}),
      },
      connections: {
        shopify: connections.shopify(),
        deals: connections.hubspot(at),
        contacts: connections.hubspot(at),
        stripe: connections.stripe(at),
        slack: connections.slack(at, { limits: 'none' }), // one message a second would take minutes
        target: connections.http(at),
        ...more.connections,
      },
      flows: { ...Object.fromEntries(only.map((name) => [name, flows[name]])), ...more.flows },
      connectors: more.connectors ?? {},
    });
    self.store = store ?? join(self.dir, 'data');
    if (shim) self.control = new Control(t, self.store);
    return self;
  }

  get hook() {
    return `http://127.0.0.1:${this.port}/hooks/shopify`;
  }

  // The next start makes a store anew, and nothing was sent yet.
  async begin_anew() {
    rmSync(this.store, { recursive: true, force: true });
    this.deaths = 0;
    await this.recorder.call('forget');
  }

  async start({ wait = true, args = [] } = {}) {
    if (this.program) this.output += this.program.output;
    this.program = await Tieline.start(this.t, this.dir, { wait, env: this.control?.env ?? {}, args });
    return this.program;
  }
  // Every word that it said since the trial began.
  get said() {
    return this.output + (this.program?.output ?? '');
  }
  async kill() {
    assert.ok(this.program.alive, `it ended by itself:\n${this.program.output}`);
    this.deaths += 1;
    await this.program.stop('SIGKILL');
  }
  // Waits until the shim has ended it.
  async died() {
    const { code, signal } = await this.program.exit;
    assert.equal(signal, 'SIGKILL', `it ended with ${code ?? signal}:\n${this.program.output}`);
    this.deaths += 1;
  }

  // Flows with something to do; while a system counts as down, those whose runs it holds, too. What always fails may be
  // all that is left to try whether it is back: then it waits for ever, as it should.
  async left() {
    const { flows, connections } = await this.program.status();
    const down = connections.some(({ incident }) => incident);
    return flows.filter(
      (flow) => flow.running || flow.queued || flow.retrying || flow.parked || flow.lag || (down && flow.held && flow.name !== 'limited'),
    );
  }
  async settle(limit_ms = 60_000) {
    await until('nothing is left to do', async () => (await this.left()).length === 0, {
      limit_ms,
      every_ms: 100,
      describe: async () => JSON.stringify(await this.why_left()),
    });
  }
  // The first runs of each flow that are not over.
  async why_left() {
    const left = [];
    for (const flow of await this.left())
      for (const state of ['pending', 'running', 'retrying', 'parked', 'held'])
        left.push(flow, ...(await this.program.runs({ flow: flow.name, state })).slice(0, 3));
    return left;
  }

  // What the program said it lost: events set aside. An acknowledged event that is absent has to be among them.
  declared_lost() {
    let count = 0;
    for (const [, first, last] of this.said.matchAll(/events? (\d+)(?: to (\d+))? (?:is|are) corrupt or missing/g))
      count += Number(last ?? first) - Number(first) + 1;
    return count;
  }

  // The guarantees, judged; gives a row of the table. `lost`: absent events are right when the program counted them.
  // `held`: these flows may hold runs; by default the one whose unknown outcomes nobody can look up.
  // Of the flow that always fails: three tries, those in an outage, which cost nothing, one more for each death, and each one twice where kept connections are
  // reset (`resent`): the client sends what is repeatable again by itself, once (core/transport.h).
  // `repeats`: a part of the journal was given up on a person's word, and what it knew may be done again.
  async judge({ lost = false, repeats = false, held = ['unsafe-alone'], pending = false, least = 1, resent = false } = {}) {
    const found = await this.recorder.call('compare', {
      admin: this.program.admin,
      flows: this.flows,
      attempts_max: (3 + this.deaths) * (resent ? 2 : 1),
    });
    const { states } = found;
    assert.deepEqual(found.surprises, [], `a vendor sees 200 or 503, never anything else: ${found.reasons}`);
    assert.ok(found.acked >= least, `only ${found.acked} of ${found.sent} orders were taken: too few to mean anything`);
    if (lost) assert.ok(found.absent.length <= this.declared_lost() * this.flows.length, `absent without a word: ${found.absent}\n${this.said}`);
    else assert.deepEqual(found.absent, [], 'an acknowledged order is never absent');
    assert.deepEqual(found.strangers, [], 'nothing appears that nobody sent');
    if (!repeats) assert.deepEqual(found.doubled, [], 'no unsafe effect happens twice');
    assert.deepEqual(found.lost, [], 'delivered means that the vendor has it');
    if (!repeats) assert.deepEqual(found.disordered, [], 'one key, one order');
    if (!repeats) assert.deepEqual(found.over_policy, [], 'attempts stay within the policy');
    assert.deepEqual(found.two_ids, [], 'a delivery that comes again is the same event');
    assert.deepEqual(found.ended.filter(({ flow }) => flow !== 'limited'), [], 'nothing here is a reason to give up');
    if (!pending) assert.equal(sum(states, ['pending', 'running', 'retrying', 'parked']), 0, JSON.stringify(states));
    const status = await this.program.status(),
      down = status.connections.some(({ incident }) => incident);
    for (const flow of status.flows)
      if (flow.held > 0) assert.ok(held === true || held.includes(flow.name) || (down && flow.name === 'limited'), `${flow.name} holds ${flow.held} runs`);
    return {
      acked: found.acked,
      delivered: sum(states, ['delivered']),
      skipped: sum(states, ['skipped', 'stale']),
      held: sum(states, ['held']),
      dead: sum(states, ['dead']),
      pending: sum(states, ['pending', 'running', 'retrying', 'parked']),
      absent: found.absent.length,
      doubled: found.doubled.length,
      broken: found.broken,
    };
  }
}

// Resident memory of a process in MiB, now and at most.
export function memory(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)[1]) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));
