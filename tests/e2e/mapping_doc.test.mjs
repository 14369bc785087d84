// docs/mapping.md: its terminal sessions and its flow. Its other examples are run by src/json/mapping_doc_test.cc.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connections, root, tieline, workspace } from './support.mjs';

const page = readFileSync(join(root, 'docs/mapping.md'), 'utf8');
const blocks = (language) =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter((m) => m[1] === language).map((m) => m[2]);

// Words of a command line, with single quotes.
const words = (line) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2]);

test('the sessions print what the page shows', async () => {
  const sessions = blocks('console').flatMap((block) => block.split(/^\$ /m).slice(1));
  assert.ok(sessions.length >= 5, `${sessions.length} commands`);
  for (const session of sessions) {
    const [line, ...shown] = session.split('\n');
    const [program, ...args] = words(line);
    assert.equal(program, 'tieline');
    const { stdout, stderr } = await tieline(args, { cwd: root });
    assert.equal(stdout + stderr, shown.join('\n'), line);
  }
});

test('the flow compiles', async (t) => {
  const flows = blocks('yaml');
  assert.equal(flows.length, 1);
  const dir = workspace(t, {
    connections: { shopify: connections.shopify(), hubspot: connections.hubspot('http://127.0.0.1:1') },
    flows: { 'orders-to-deals': flows[0] },
  });
  const { code, stdout, stderr } = await tieline(['check', dir]);
  assert.equal(code, 0, stdout + stderr);
});
