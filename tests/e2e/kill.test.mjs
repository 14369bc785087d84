// kill -9 at random moments under load from another process. Afterwards every order that got its 200 has a run in a
// known state in every flow, repeatable effects have converged, and no unsafe effect happened twice: resolved by the vendor's
// idempotency key, by looking for the thing, or held for a person.
//   KILL_ROUNDS=50 KILL_SEED=7 node --test tests/e2e/kill.test.mjs      6 rounds and a new seed unless they say so
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { connections, free_port, prng, Tieline, until, workspace } from './support.mjs';
import { effects_vendor, sink } from './vendors.mjs';

const rounds = Number(process.env.KILL_ROUNDS ?? 6),
  seed = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const kEnded = ['delivered', 'skipped', 'stale', 'dead', 'held'];
const begin = `on: { webhook: shopify, event: orders/create }
retry: { first: 100ms, max: 1s, for: 1h }
steps:
`;
// One flow for each way in which an effect is kept from happening twice; `effect` names the vendor's counter.
const flows = {
  'unsafe-with-find': {
    effect: 'deals',
    text: `${begin}  - call: deals.deals.create
    with: { shopify_order_id: =.name, dealname: ="Order \\(.name)" }
`,
  },
  'unsafe-with-key': {
    effect: 'customers',
    text: `${begin}  - call: stripe.customers.create
    with: { email: =.email, metadata: { order: =.name } }
`,
  },
  'unsafe-alone': {
    effect: 'messages',
    text: `${begin}  - call: slack.chat.postMessage
    with: { channel: ="C\\(.id)", text: =.name }
`,
  },
  repeatable: {
    effect: 'contacts',
    text: `${begin}  - call: contacts.contacts.upsert
    with: { email: =.email, firstname: =.name }
`,
  },
};

// Starts, lets run for a random while (or not even until it serves), kills; `rounds` times.
async function kill_again_and_again(t, dir, random) {
  for (let round = 1; round <= rounds; ++round) {
    const program = await Tieline.start(t, dir, { wait: random() >= 0.15 });
    await new Promise((done) => setTimeout(done, program.hooks ? 100 + random() * 1800 : random() * 60));
    if (program.hooks) assert.ok(program.alive, `round ${round}: it ended by itself:\n${program.output}`);
    assert.deepEqual(await program.stop('SIGKILL'), { code: null, signal: 'SIGKILL' }, program.output);
  }
}

test(`kill -9, ${rounds} rounds, seed ${seed}`, { timeout: 120_000 + rounds * 6_000 }, async (t) => {
  const random = prng(seed),
    vendor = effects_vendor(prng(seed + 1));
  const target = await sink(t, vendor.answer),
    port = await free_port();
  const dir = workspace(t, {
    settings: { listen: { hooks: `127.0.0.1:${port}`, admin: '127.0.0.1:0' } },
    connections: {
      shopify: connections.shopify(),
      deals: connections.hubspot(target.url),
      contacts: connections.hubspot(target.url),
      stripe: connections.stripe(target.url),
      slack: connections.slack(target.url, { limits: 'none' }), // one message a second would take minutes
    },
    flows: Object.fromEntries(Object.entries(flows).map(([name, { text }]) => [name, text])),
  });

  const load = fork(fileURLToPath(new URL('load.mjs', import.meta.url)), [
    JSON.stringify({
      url: `http://127.0.0.1:${port}/hooks/shopify`,
      seed: seed + 2,
      per_second: 15,
      prefix: `s${seed}`,
    }),
  ]);
  t.after(() => load.kill('SIGKILL'));
  await kill_again_and_again(t, dir, random);

  vendor.faults = false;
  const program = await Tieline.start(t, dir);
  load.send('stop');
  const { sent, acked, surprises } = await new Promise((done, failed) => {
    load.once('message', done);
    load.once('exit', (code) => failed(new Error(`the load process ended with ${code}`)));
  });
  assert.deepEqual(surprises, [], 'a vendor sees 200 or 503, never anything else');
  assert.ok(
    acked.length >= rounds * 3,
    `only ${acked.length} of ${sent.length} orders were taken: too few to mean anything`,
  );
  for (const [name, answers] of acked)
    assert.equal(new Set(answers.map((body) => JSON.parse(body).id)).size, 1, `${name} got two ids`);

  const unfinished = async () =>
    (await program.status()).flows.filter((flow) => flow.running || flow.retrying || flow.parked || flow.lag);
  await until('nothing is left to do', async () => (await unfinished()).length === 0, {
    limit_ms: 60_000,
    every_ms: 200,
    describe: async () => JSON.stringify(await unfinished()),
  });
  const status = await program.status(),
    summary = [];

  for (const [flow, { effect }] of Object.entries(flows)) {
    await t.test(flow, async () => {
      const runs = await program.runs({ flow }),
        counts = vendor.effects[effect];
      const states = new Map(runs.map((run) => [run.event_id, run.state]));
      assert.equal(states.size, runs.length, 'one run an event');
      const of = (state) => runs.filter((run) => run.state === state);
      summary.push(`${flow}: ${kEnded.map((state) => `${of(state).length} ${state}`).join(', ')}`);

      const absent = acked
        .filter(([name]) => !kEnded.includes(states.get(name)))
        .map(([name]) => [name, states.get(name)]);
      assert.deepEqual(absent, [], 'an acknowledged order is never absent');
      assert.deepEqual(
        [...states.keys()].filter((name) => !sent.includes(name)),
        [],
        'nothing appears that nobody sent',
      );
      assert.deepEqual(of('dead'), [], 'nothing here is a reason to give up');

      const key = (name) => (effect === 'contacts' ? `${name}@example.com` : name);
      const lost = of('delivered')
        .filter((run) => !counts.get(key(run.event_id)))
        .map((run) => run.event_id);
      assert.deepEqual(lost, [], 'delivered means that the vendor has it');
      if (effect !== 'contacts') assert.deepEqual(counts.over(1), [], 'no unsafe effect happens twice');
      else
        for (const run of of('delivered')) assert.equal(vendor.contacts.get(key(run.event_id)).firstname, run.event_id);

      // Nobody can know what became of these: they wait for a person, and are listed.
      if (flow !== 'unsafe-alone') assert.deepEqual(of('held'), [], 'there is a way to find out, so nothing is held');
      const listed = await program.runs({ flow, state: 'held' });
      assert.deepEqual(
        listed.map(({ run }) => run).sort(),
        of('held')
          .map(({ run }) => run)
          .sort(),
      );
      assert.equal(status.flows.find(({ name }) => name === flow).held, of('held').length);
    });
  }
  t.diagnostic(
    `${sent.length} orders sent, ${acked.length} acknowledged, ${vendor.lost_answers} answers lost on purpose`,
  );
  for (const line of summary) t.diagnostic(line);
});
