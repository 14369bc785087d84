// What the door takes and what it refuses: status, limits, duplicates, and that refusals can be seen.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { shopify } from './sign.mjs';
import { connections, http, Tieline, until, workspace } from './support.mjs';

const kMebibyte = 1 << 20;
const order = (more = {}) => JSON.stringify({ id: 1042, email: 'a@example.com', ...more });
const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
// An order of exactly `bytes` bytes.
const sized = (bytes) => order({ note: 'x'.repeat(bytes - order({ note: '' }).length) });

// Writes `parts` to the door as they are and gives the status of the answer, and how long it took.
function raw(hooks, parts, limit_ms) {
  const { hostname, port } = new URL(hooks);
  return new Promise((done, failed) => {
    const begin = performance.now(),
      socket = connect(Number(port), hostname);
    let text = '';
    socket.setTimeout(limit_ms, () => {
      socket.destroy();
      failed(new Error(`no answer in ${limit_ms} ms`));
    });
    const finish = () => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
      if (!status) return;
      socket.destroy();
      done({ status, seconds: (performance.now() - begin) / 1000 });
    };
    socket.on('data', (part) => {
      text += part;
      finish();
    });
    socket.on('error', finish); // a reset after the answer is how a refused upload may end
    socket.on('close', () => {
      finish();
      failed(new Error(`closed without an answer: ${JSON.stringify(text)}`));
    });
    for (const part of parts) socket.write(part);
  });
}

test('the door', { timeout: 120_000 }, async (t) => {
  const program = await Tieline.start(
    t,
    workspace(t, {
      connections: { shopify: connections.shopify(), closed: connections.shopify({ secrets: undefined }) },
    }),
  );
  const post = (signed, connection = 'shopify') => program.post(connection, signed);
  const without = (signed, name) => {
    const { [name]: _, ...headers } = signed.headers;
    return { ...signed, headers };
  };

  const cases = [
    ['a signed order', 200, () => post(shopify('orders/create', order()))],
    ['a signature made with another secret', 401, () => post(shopify('orders/create', order(), { secret: 'wrong' }))],
    ['a signature of another body', 401, () => post({ ...shopify('orders/create', order()), body: order({ id: 2 }) })],
    ['no signature', 401, () => post(without(shopify('orders/create', order()), 'X-Shopify-Hmac-Sha256'))],
    [
      'an empty signature',
      401,
      () => post(shopify('orders/create', order(), { headers: { 'X-Shopify-Hmac-Sha256': '' } })),
    ],
    [
      'a signature that is no base64',
      401,
      () => post(shopify('orders/create', order(), { headers: { 'X-Shopify-Hmac-Sha256': '%%%' } })),
    ],
    ['a connection without a secret', 401, () => post(shopify('orders/create', order()), 'closed')],
    ['a connection that is not there', 404, () => post(shopify('orders/create', order()), 'shopifi')],
    ['a path outside /hooks', 404, () => http(`${program.hooks}/`, { method: 'POST', body: order() })],
    ['GET', 405, () => http(`${program.hooks}/hooks/shopify`)],
    ['PUT', 405, () => http(`${program.hooks}/hooks/shopify`, { method: 'PUT', ...shopify('orders/create', order()) })],
    ['a body of exactly 1 MiB', 200, () => post(shopify('orders/create', sized(kMebibyte)))],
    [
      'a body of 1 MiB and a byte',
      413,
      () => {
        const { headers, body } = shopify('orders/create', sized(kMebibyte + 1));
        const lines = Object.entries({ Host: 'x', ...headers, 'Content-Length': body.length }).map(
          ([name, value]) => `${name}: ${value}\r\n`,
        );
        return raw(program.hooks, [`POST /hooks/shopify HTTP/1.1\r\n${lines.join('')}\r\n`, body], 10_000);
      },
    ],
    [
      'a chunked body without end',
      413,
      () =>
        raw(
          program.hooks,
          [
            'POST /hooks/shopify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
            ...Array.from({ length: 40 }, () => `8000\r\n${'x'.repeat(0x8000)}\r\n`),
          ],
          10_000,
        ),
    ],
    [
      'headers of 33 KiB',
      431,
      () =>
        raw(
          program.hooks,
          [`POST /hooks/shopify HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(33 << 10)}\r\n\r\n`],
          10_000,
        ),
    ],
    [
      '32 KiB of many headers',
      431,
      () =>
        raw(
          program.hooks,
          [
            `POST /hooks/shopify HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 400 }, (_, i) => `X-Field-${i}: ${'y'.repeat(80)}\r\n`).join('')}\r\n`,
          ],
          10_000,
        ),
    ],
    ['bytes that are no HTTP', 400, () => raw(program.hooks, ['\x16\x03\x01 hello\r\n\r\n'], 10_000)],
    ['JSON of depth 128', 200, () => post(shopify('orders/create', nested(128)))],
    ['JSON of depth 129', 400, () => post(shopify('orders/create', nested(129)))],
    ['JSON that is cut short', 400, () => post(shopify('orders/create', '{"id": 1042,'))],
  ];
  for (const [name, status, send] of cases) {
    await t.test(`${name}: ${status}`, async () => assert.equal((await send()).status, status));
  }

  await t.test('a client that stops in its headers, or in its body: 408', { timeout: 60_000 }, async (t) => {
    const settings = { limits: { request: '2s' } };
    const slow = await Tieline.start(t, workspace(t, { settings, connections: { shopify: connections.shopify() } }));
    const { hooks } = slow;
    const answers = await Promise.all([
      raw(hooks, ['POST /hooks/shopify HTTP/1.1\r\nHost: x\r\nX-Slow'], 30_000),
      raw(hooks, ['POST /hooks/shopify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"id":'], 30_000),
    ]);
    for (const { status, seconds } of answers) {
      assert.equal(status, 408);
      assert.ok(seconds >= 1.9, `cut off after ${seconds} s`);
    }
    const told = async () =>
      JSON.stringify((await slow.status()).refused.map(({ connection, reason, count }) => [connection, reason, count]));
    await until('both are counted', async () => (await told()) === '[["shopify","too_slow",2]]', { describe: told });
  });

  await t.test('what was refused before it was read is counted with its reason and connection', async () => {
    const told = async () => JSON.stringify((await program.status()).refused);
    await until(
      'each is counted',
      async () => {
        const counted = Object.fromEntries(
          JSON.parse(await told()).map(({ connection, reason, count }) => [`${connection} ${reason}`, count]),
        );
        const two = counted['shopify body_too_large'] === 2 && counted['shopify headers_too_large'] === 2;
        return two && counted[' malformed_request'] === 1;
      },
      { describe: told },
    );
    const { body } = await http(`${program.admin}/metrics`);
    assert.match(body, /tieline_requests_refused_total\{connection="shopify",reason="body_too_large"\} 2/);
  });

  await t.test('malformed JSON is refused with its position', async () => {
    const { body } = await post(shopify('orders/create', '{\n  "id": 1042,\n  "email" "x"\n}'));
    assert.match(body, /3:1[01]|line 3/, body);
  });

  await t.test('a duplicate gets 200 with the id of the first, and is counted once', async () => {
    const before = await program.status(),
      signed = shopify('orders/create', order({ id: 7 }));
    const first = await post(signed),
      again = await post(signed);
    assert.deepEqual([first.status, again.status], [200, 200]);
    assert.ok(JSON.parse(first.body).id, first.body);
    assert.equal(JSON.parse(again.body).id, JSON.parse(first.body).id);
    const now = await program.status();
    assert.equal(now.received - before.received, 1);
    assert.equal(now.duplicates - before.duplicates, 1);
  });

  await t.test('the same delivery on many connections at once is one event', async () => {
    const before = await program.status(),
      signed = shopify('orders/create', order({ id: 8 }));
    const answers = await Promise.all(Array.from({ length: 32 }, () => post(signed)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(new Set(answers.map(({ body }) => JSON.parse(body).id)).size, 1);
    assert.equal((await program.status()).received - before.received, 1);
  });

  await t.test('a refusal is shown with its reason, not stored, and leaks no secret', async () => {
    const before = await program.status();
    await post(shopify('orders/create', order({ id: 9 }), { secret: 'wrong' }));
    const now = await program.status();
    assert.equal(now.received, before.received);
    assert.notDeepEqual(now.refused, before.refused);
    assert.match(JSON.stringify(now.refused), /signature/i);
    assert.doesNotMatch(JSON.stringify(now.refused), /shopify client secret/);
  });

  await t.test('after all that it is healthy', async () => {
    assert.ok(program.alive);
    for (const path of ['/healthz', '/readyz']) assert.equal((await http(program.admin + path)).status, 200, path);
  });
});
