// The programs that bench/run measures and compares with: started on free ports of 127.0.0.1 with their files in one
// folder of the build tree, ended by their handle. Nothing here decides what a number means.
'use strict';
const { execFile, spawn } = require('node:child_process');
const { createHmac } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const binary = path.resolve(process.env.TIELINE ?? path.join(root, 'build/tieline'));
const secret = "the benchmark's client secret";
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill(); // a killed nginx would leave its worker behind
});

// An order of 1,652 bytes, the size of DESIGN.md §10, with the parts that the mapping uses.
function order() {
  const value = {
    id: 5678901234567,
    admin_graphql_api_id: 'gid://shopify/Order/5678901234567',
    order_number: 1042,
    test: false,
    email: 'Ada.Lovelace@Example.com',
    created_at: '2026-11-23T10:00:00-05:00',
    updated_at: '2026-11-23T10:00:00-05:00',
    currency: 'GBP',
    current_total_price: '398.00',
    customer: { id: 7890123456789, email: 'ada.lovelace@example.com' },
    line_items: [
      ['IPOD2008GREEN', 1, '199.00'],
      ['IPOD2008BLACK', 2, '99.50'],
      ['CASE-07', 3, '9.10'],
    ].map(([sku, quantity, price], i) => ({
      id: 13456789012345 + i * 1000,
      sku,
      quantity,
      price,
      title: `Item ${i + 1} of the order`,
      taxable: true,
      grams: 567,
    })),
    shipping_address: {
      name: 'Ada Lovelace',
      address1: "12 St James's Square",
      city: 'London',
      zip: 'SW1Y 4JH',
      country_code: 'GB',
    },
    note: '',
  };
  value.note = 'n'.repeat(1652 - JSON.stringify(value).length);
  return JSON.stringify(value);
}

// The mapping, once for each side: the same fields from the same order.
const tieline_flow = `on: { webhook: shopify, event: orders/create }
steps:
  - call: sink.request.post
    with:
      path: /deals
      body:
        shopify_order_id: =.admin_graphql_api_id
        dealname: ="Order \\(.order_number)"
        amount: =.current_total_price
        closedate: =.created_at
        email: =(.email // "" | ascii_downcase)
        items: =[.line_items[] | {sku, quantity}]
`;
const node_red_function = `const order = msg.payload;
msg.payload = {
  shopify_order_id: order.admin_graphql_api_id,
  dealname: \`Order \${order.order_number}\`,
  amount: order.current_total_price,
  closedate: order.created_at,
  email: (order.email ?? "").toLowerCase(),
  items: order.line_items.map(({ sku, quantity }) => ({ sku, quantity })),
};
msg.headers = { "content-type": "application/json" };
return msg;`;

// The files that post.lua reads.
function write_request(folder) {
  const body = order(),
    signature = createHmac('sha256', secret).update(body).digest('base64');
  fs.writeFileSync(path.join(folder, 'body'), body);
  fs.writeFileSync(
    path.join(folder, 'head'),
    [
      'POST /hooks/shopify HTTP/1.1',
      'Host: 127.0.0.1',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'X-Shopify-Topic: orders/create',
      `X-Shopify-Hmac-Sha256: ${signature}`,
      'X-Shopify-Webhook-Id: ',
    ].join('\r\n'),
  );
  return body;
}

const wait_ms = (ms) => new Promise((done) => setTimeout(done, ms));

function free_port() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function get(url) {
  return new Promise((done, failed) => {
    http
      .get(url, (answer) => {
        let text = '';
        answer
          .on('data', (part) => {
            text += part;
          })
          .on('end', () => done({ status: answer.statusCode, text }))
          .on('error', failed);
      })
      .on('error', failed);
  });
}

// Starts a child and waits until `ready()` gives something true; that and `stop()` are the handle.
async function start(name, command, args, options, ready) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => {
      output = (output + part).slice(-20_000);
    });
  const ended = new Promise((done) => child.on('close', done));
  child.on('error', (error) => {
    output += error.message;
  });
  children.add(child);
  ended.then(() => children.delete(child));
  for (const limit = Date.now() + 60_000; ;) {
    const value = await (async () => ready(output))().catch(() => undefined);
    if (value)
      return {
        ...value,
        pid: child.pid,
        output: () => output,
        stop: async () => {
          child.kill('SIGTERM');
          await ended;
        },
      };
    if (child.exitCode !== null || Date.now() > limit) throw new Error(`${name} did not start:\n${output}`);
    await wait_ms(20);
  }
}

// nginx with one worker that answers 200 to everything. `requests()` counts what it has handled.
async function start_nginx(folder, name) {
  const port = await free_port(),
    home = path.join(folder, name);
  fs.mkdirSync(home);
  fs.writeFileSync(
    path.join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 2048; }
http {
  access_log off; keepalive_requests 1000000000; client_max_body_size 2m; default_type application/json;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/p; fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { return 200 '{"id":"0123456789abcdef"}'; }
    location = /count { stub_status; }
  }
}
`,
  );
  const url = `http://127.0.0.1:${port}`;
  // server accepts handled requests\n A H R
  const requests = async () => Number(/requests\s+\d+ \d+ (\d+)/.exec((await get(`${url}/count`)).text)[1]);
  return start(
    name,
    'nginx',
    ['-p', home, '-c', path.join(home, 'nginx.conf'), '-e', path.join(home, 'error.log')],
    {},
    async () => {
      await requests();
      return { url, requests };
    },
  );
}

// Node-RED without editor, login or metrics: http in → function → http request (connections kept) → http response.
async function start_node_red(folder, sink) {
  const port = await free_port(),
    home = path.join(folder, 'node-red');
  fs.mkdirSync(home);
  fs.writeFileSync(
    path.join(home, 'settings.js'),
    `module.exports = {
  uiHost: '127.0.0.1', uiPort: ${port}, httpAdminRoot: false, flowFile: 'flows.json', credentialSecret: false, telemetry: { enabled: false },
  diagnostics: { enabled: false }, logging: { console: { level: 'info', metrics: false, audit: false } },
};\n`,
  );
  const node = (id, type, next, more) => ({
    id,
    type,
    z: 'tab',
    x: 0,
    y: 0,
    name: '',
    wires: next ? [[next]] : [],
    ...more,
  });
  fs.writeFileSync(
    path.join(home, 'flows.json'),
    JSON.stringify([
      { id: 'tab', type: 'tab', label: 'orders', disabled: false },
      node('in', 'http in', 'map', { url: '/hooks/shopify', method: 'post', upload: false }),
      node('map', 'function', 'call', { func: node_red_function, outputs: 1, timeout: 0, noerr: 0, libs: [] }),
      node('call', 'http request', 'out', {
        method: 'POST',
        ret: 'txt',
        paytoqs: 'ignore',
        url: `${sink}/deals`,
        persist: true,
        senderr: false,
        authType: '',
        headers: [],
      }),
      node('out', 'http response', null, { statusCode: '200', headers: {} }),
    ]),
  );
  const main = path.join(__dirname, 'node_modules/node-red/red.js');
  const env = { PATH: process.env.PATH, HOME: home, NODE_ENV: 'production' };
  return start(
    'Node-RED',
    process.execPath,
    [main, '--userDir', home, '--settings', path.join(home, 'settings.js')],
    { env },
    (output) => output.includes('Started flows') && { url: `http://127.0.0.1:${port}` },
  );
}

// `tieline run`, or with `door` its door with the store off, on a workspace of its own; `sink` adds the flow.
async function start_tieline(folder, { sink, door = false } = {}) {
  const dir = fs.mkdtempSync(path.join(folder, 'tieline-'));
  const write = (name, value) => {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    fs.writeFileSync(path.join(dir, name), typeof value === 'string' ? value : JSON.stringify(value, null, 2) + '\n');
  };
  write('tieline.yaml', {
    listen: { hooks: '127.0.0.1:0', admin: '127.0.0.1:0' },
    public_url: 'https://hooks.example.com',
    store: { url: 'sqlite:data' },
  });
  write('connections/shopify.yaml', {
    connector: 'shopify',
    variables: { shop: 'acme' },
    auth: { access_token: { token: 'env:BENCH_SECRET' } },
    secrets: { client_secret: 'env:BENCH_SECRET' },
  });
  if (sink) {
    write('connections/sink.yaml', { connector: 'http', variables: { base_url: sink }, private_addresses: true });
    write('flows/orders.yaml', tieline_flow);
  }
  const announce = path.join(dir, 'announce.json');
  const env = { PATH: process.env.PATH, BENCH_SECRET: secret };
  const handle = await start(
    'tieline',
    binary,
    [door ? 'bench-door' : 'run', dir, '--announce', announce],
    { env },
    () => {
      const { hooks, admin } = JSON.parse(fs.readFileSync(announce, 'utf8'));
      return { url: hooks, status: async () => JSON.parse((await get(`${admin}/api/status`)).text) };
    },
  );
  return {
    ...handle,
    stop: async () => {
      await handle.stop();
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}

// One run of wrk with one thread; what post.lua prints.
let runs = 0;
function wrk(folder, url, connections, seconds) {
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    path.join(__dirname, 'post.lua'),
    url,
    '--',
    folder,
    `b${process.pid}-${++runs}`,
  ];
  return new Promise((done, failed) =>
    execFile('wrk', args, (error, stdout) => {
      if (error) return failed(error);
      const result = JSON.parse(stdout.trim().split('\n').at(-1));
      if (result.refused > 0)
        return failed(new Error(`${url}: ${result.refused} of ${result.requests} requests were refused`));
      done({ ...result, per_second: result.requests / result.seconds });
    }),
  );
}

const rss_mb = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

module.exports = {
  root,
  binary,
  order,
  rss_mb,
  start_nginx,
  start_node_red,
  start_tieline,
  wait_ms,
  write_request,
  wrk,
};
