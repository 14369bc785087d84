// Shopify's own sample payloads, as they are, through the door and out again: each is an event of its topic, and what a
// flow passes on is the same JSON, numbers to the last digit. A number that no program can hold exactly is never altered:
// either it passes untouched, or the run is a dead letter that names it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { shopify } from './sign.mjs';
import { connections, needs_shared, shared, Tieline, until, workspace } from './support.mjs';
import { sink } from './vendors.mjs';

// The tokens of a JSON text; numbers stay text, so that no precision is lost in comparing.
const tokens = (text) =>
  text
    .match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g)
    .map((token) => (token[0] === '"' ? JSON.parse(token) : token))
    .join(' ');

// A whole number of the size where doubles leave some out.
const inexact = (text) =>
  text
    .match(/"(?:[^"\\]|\\.)*"|[^\s{}[\]:,"]+/g)
    .some((token) => /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token)));

test('every sample payload of Shopify', { skip: needs_shared }, async (t) => {
  const target = await sink(t),
    folder = join(shared, 'vendor-specs/shopify/samples');
  const samples = readdirSync(folder).map((name) => ({
    id: `e2e-${name}`,
    text: readFileSync(join(folder, name), 'utf8'),
    topic: name.replace('webhook-', '').replace('.json', '').replace('-', '/'),
  }));
  const dir = workspace(t, {
    connections: { shopify: connections.shopify(), sink: connections.http(target.url) },
    flows: {
      pass: `on: { webhook: shopify, event: [${samples.map(({ topic }) => topic).join(', ')}] }
steps:
  - call: sink.request.put
    with: '{ path: "/\\($event.id)", body: . }'
`,
    },
  });
  const program = await Tieline.start(t, dir);
  for (const { id, topic, text } of samples) {
    const { status, body } = await program.post('shopify', shopify(topic, text, { id }));
    assert.equal(status, 200, `${topic}: ${body}`);
  }
  const runs = await until(
    'every run has ended',
    async () => {
      const all = await program.runs({ flow: 'pass' });
      return all.length === samples.length && all.every(({ state }) => ['delivered', 'dead'].includes(state)) && all;
    },
    { describe: async () => JSON.stringify(await program.runs({ flow: 'pass' })) },
  );
  for (const { id, topic, text } of samples) {
    const run = runs.find(({ event_id }) => event_id === id);
    const arrived = target.requests.filter(({ path }) => path === `/${id}`);
    if (run?.state === 'dead' && inexact(text)) {
      assert.match(run.summary, /^validation: .*the number \d+ at \.\S+ cannot be computed exactly/, topic);
      assert.equal(arrived.length, 0, `${topic}: a dead letter sends nothing`);
      continue;
    }
    assert.equal(run?.state, 'delivered', `${topic}: ${JSON.stringify(run)}`);
    assert.equal(arrived.length, 1, topic);
    assert.equal(tokens(arrived[0].raw), tokens(text), topic);
  }
});
