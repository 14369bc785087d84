// Every document of the JSON parsing suite as the body of a signed webhook: y_ is taken, n_ is refused with a position,
// i_ is either; no document may bring the program down.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { shopify } from './sign.mjs';
import { connections, http, needs_shared, shared, Tieline, workspace } from './support.mjs';

test('the JSON parsing suite through the door', { skip: needs_shared }, async (t) => {
  const program = await Tieline.start(t, workspace(t, { connections: { shopify: connections.shopify() } }));
  const folder = join(shared, 'corpora/json/test_parsing'),
    wrong = [];
  let taken = 0;
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  for (const name of files) {
    const { status, body } = await program.post('shopify', shopify('orders/create', readFileSync(join(folder, name))));
    if (status === 200) taken += 1;
    const fits = name[0] === 'y' ? status === 200 : name[0] === 'n' ? status === 400 : status === 200 || status === 400;
    if (!fits) wrong.push(`${name}: ${status} ${body.slice(0, 120)}`);
    if (status === 400 && !/\b\d+:\d+\b|(line|byte|offset|position|column) \d+/.test(body))
      wrong.push(`${name}: no position in ${body}`);
    assert.ok(program.alive, `ended after ${name}: ${program.output}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(files.length > 300, `${files.length} files`);
  assert.equal((await http(program.admin + '/healthz')).status, 200);
  assert.equal((await program.status()).received, taken);
});
