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

// The mapping, once for each side: the same fields from the same order. `query` and `more` are lines for a flow that
// tells its target when the event was sent.
function tieline_flow(name, { query, more, history } = {}) {
  return `on: { webhook: shopify, event: orders/create }
${history ? `history: ${history}\n` : ''}steps:
  - call: ${name}.request.post
    with:
      path: /deals
${query ? `      query: { ${query} }\n` : ''}      body:
        shopify_order_id: =.admin_graphql_api_id
        dealname: ="Order \\(.order_number)"
        amount: =.current_total_price
        closedate: =.created_at
        email: =(.email // "" | ascii_downcase)
        items: =[.line_items[] | {sku, quantity}]
${more ? `        ${more}\n` : ''}`;
}
// A flow for start_tieline(): `name` is that of its connection, too.
const flow = (url, { name = 'orders', ...options } = {}) => ({ name, url, text: tieline_flow(name, options) });
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

// 2026-11-23T10:00:00.123456Z, and back: microseconds since 1970.
function iso_us(us) {
  return new Date(Math.floor(us / 1000)).toISOString().replace('Z', `${String(us % 1000).padStart(3, '0')}Z`);
}
function us_of(iso) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(iso);
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, '0'));
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

function request(url, options = {}) {
  return new Promise((done, failed) => {
    http
      .request(url, options, (answer) => {
        let text = '';
        answer
          .on('data', (part) => {
            text += part;
          })
          .on('end', () => done({ status: answer.statusCode, text }))
          .on('error', failed);
      })
      .on('error', failed)
      .end();
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

// nginx with one worker that answers 200 to everything. `requests()` counts what it has handled. With `timed` it logs when
// each request came and what its query says in `at`, for latencies_us().
async function start_nginx(folder, name, { timed = false } = {}) {
  const port = await free_port(),
    home = path.join(folder, name);
  fs.mkdirSync(home);
  fs.writeFileSync(
    path.join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 2048; }
http {
  log_format timed '$msec $arg_at';
  access_log ${timed ? `${home}/access.log timed buffer=64k flush=1s` : 'off'}; keepalive_requests 1000000000; client_max_body_size 2m; default_type application/json;
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
  const requests = async () => Number(/requests\s+\d+ \d+ (\d+)/.exec((await request(`${url}/count`)).text)[1]);
  return start(
    name,
    'nginx',
    ['-p', home, '-c', path.join(home, 'nginx.conf'), '-e', path.join(home, 'error.log')],
    {},
    async () => {
      await requests();
      return { url, requests, ...(timed && times_of(path.join(home, 'access.log'))) };
    },
  );
}

// mark() is where the log ends now; latencies_us() are those of the requests after a mark, once `least` are in the log.
function times_of(log) {
  const size = () => (fs.existsSync(log) ? fs.statSync(log).size : 0);
  const lines_after = (mark) => fs.readFileSync(log, 'utf8').slice(mark).split('\n').filter((line) => /Z$/.test(line));
  return {
    mark: size,
    latencies_us: async (mark, least) => {
      let lines = [];
      for (const limit = Date.now() + 10_000; lines.length < least && Date.now() < limit; await wait_ms(200))
        lines = size() > mark ? lines_after(mark) : [];
      return lines.map((line) => {
        const [came_s, sent] = line.split(' ');
        return Math.round(Number(came_s) * 1e6) - us_of(decodeURIComponent(sent));
      });
    },
  };
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

// `tieline run`, or with `door` its door with the store off, on a workspace of its own with these flows.
async function start_tieline(folder, { flows = [], door = false } = {}) {
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
  for (const { name, url, text } of flows) {
    write(`connections/${name}.yaml`, { connector: 'http', variables: { base_url: url }, private_addresses: true });
    write(`flows/${name}.yaml`, text);
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
      return {
        url: hooks,
        status: async () => JSON.parse((await request(`${admin}/api/status`)).text),
        admin: async (target) => {
          const { status, text } = await request(admin + target, { method: 'POST', headers: { 'x-tieline': '1' } });
          if (status !== 200) throw new Error(`${target}: ${status} ${text}`);
        },
      };
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

// One run of wrk with one thread; what post.lua prints. With `per_second` each connection waits between its requests, so
// that together they send no more than that, and each request says when it was sent.
let runs = 0;
function wrk(folder, url, connections, seconds, { per_second } = {}) {
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
    ...(per_second ? [String((connections * 1000) / per_second)] : []),
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
  flow,
  iso_us,
  order,
  rss_mb,
  secret,
  start_nginx,
  start_node_red,
  start_tieline,
  us_of,
  wait_ms,
  write_request,
  wrk,
};
