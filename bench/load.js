// A load at a given pace and a target that takes the time, for delays of less than nginx's and wrk's milliseconds. Both
// run in the bench's own process and so share its clock.
'use strict';
const { createHmac, randomUUID } = require('node:crypto');
const http = require('node:http');
const net = require('node:net');
const { performance } = require('node:perf_hooks');
const { iso_us, order, secret, us_of, wait_ms } = require('./systems.js');

const now_us = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

// Sends `per_second * seconds` orders over kept connections, each at its moment whether or not the ones before were
// answered, and says in X-Shopify-Triggered-At when that was. Resolves to their number when all are acknowledged.
async function paced_load(url, { per_second, seconds }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 }),
    body = order(),
    signature = createHmac('sha256', secret).update(body).digest('base64'),
    count = per_second * seconds,
    answers = [],
    begin = now_us();
  const send = () =>
    new Promise((done, failed) => {
      const request = http.request(
        `${url}/hooks/shopify`,
        {
          agent,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'x-shopify-topic': 'orders/create',
            'x-shopify-hmac-sha256': signature,
            'x-shopify-webhook-id': randomUUID(),
            'x-shopify-triggered-at': iso_us(now_us()),
          },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () =>
            answer.statusCode === 200 ? done() : failed(new Error(`a webhook was answered ${answer.statusCode}`)),
          );
        },
      );
      request.on('error', failed);
      request.end(body);
    });
  while (answers.length < count) {
    const due = Math.min(count, Math.floor(((now_us() - begin) / 1e6) * per_second) + 1);
    while (answers.length < due) answers.push(send());
    await wait_ms(1);
  }
  await Promise.all(answers);
  agent.destroy();
  return count;
}

// Answers 200 to everything, and keeps for each request how long after its `sent` its first byte came.
async function timing_sink() {
  const delays_us = [];
  const server = http.createServer((request, response) => {
    const came = now_us(),
      parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      delays_us.push(came - us_of(JSON.parse(Buffer.concat(parts)).sent));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const close = () => {
    server.close();
    server.closeAllConnections?.();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, delays_us, close };
}

// Two targets that are of no use: one refuses connections, the other takes them and never answers.
async function dead_targets() {
  const sockets = new Set();
  const silent = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    socket.resume();
  });
  const refusing = net.createServer();
  const listen = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
  const [silent_port, refusing_port] = [await listen(silent), await listen(refusing)];
  await new Promise((done) => refusing.close(done));
  return {
    silent: `http://127.0.0.1:${silent_port}`,
    refusing: `http://127.0.0.1:${refusing_port}`,
    close: () => {
      silent.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

module.exports = { dead_targets, paced_load, timing_sink };
