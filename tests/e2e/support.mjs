// What every end-to-end test needs: workspaces in temporary folders, the program as a child process, waiting without
// guessing. Nothing here knows how the program works inside; it sees command lines, files and HTTP only.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.TIELINE ? resolve(process.env.TIELINE) : join(root, 'build/tieline');
export const shared = resolve(root, '../shared');
// For `{ skip: needs_shared }`: false, or the reason.
export const needs_shared = existsSync(shared) ? false : '../shared (vendor documents and corpora) is not there';

// The secrets and tokens that the workspaces below refer to as env:NAME.
export const secrets = {
  SHOPIFY_TOKEN: 'shpat_e2e',
  SHOPIFY_SECRET: 'shopify client secret',
  HUBSPOT_TOKEN: 'pat-e2e',
  HUBSPOT_SECRET: 'hubspot secret',
  STRIPE_KEY: 'sk_test_e2e',
  STRIPE_SECRET: 'whsec_e2e',
  SLACK_TOKEN: 'xoxb-e2e',
  SLACK_SECRET: 'slack signing secret',
  HOOK_SECRET: 'hook secret',
};

// Connections by name of connector; `base_url` goes to a server of the test.
export const connections = {
  shopify: (more = {}) => ({
    connector: 'shopify',
    variables: { shop: 'acme' },
    auth: { access_token: { token: 'env:SHOPIFY_TOKEN' } },
    secrets: { client_secret: 'env:SHOPIFY_SECRET' },
    ...more,
  }),
  hubspot: (base_url, more = {}) => ({
    connector: 'hubspot',
    variables: { tier: 'addon' },
    base_url,
    private_addresses: true,
    auth: { private_app: { token: 'env:HUBSPOT_TOKEN' } },
    secrets: { client_secret: 'env:HUBSPOT_SECRET' },
    ...more,
  }),
  stripe: (base_url, more = {}) => ({
    connector: 'stripe',
    base_url,
    private_addresses: true,
    auth: { key: { key: 'env:STRIPE_KEY' } },
    secrets: { webhook_secret: 'env:STRIPE_SECRET' },
    ...more,
  }),
  slack: (base_url, more = {}) => ({
    connector: 'slack',
    base_url,
    private_addresses: true,
    auth: { bot: { token: 'env:SLACK_TOKEN' } },
    secrets: { signing_secret: 'env:SLACK_SECRET' },
    ...more,
  }),
  // A sender of signed webhooks without a manifest of its own.
  hook: (more = {}) => ({ connector: 'http', secrets: { webhook_secret: 'env:HOOK_SECRET' }, ...more }),
  // Any HTTP API.
  http: (base_url, more = {}) => ({ connector: 'http', variables: { base_url }, private_addresses: true, ...more }),
};

// Writes a workspace into a new folder and returns its path. `connections` and `settings` are plain objects (JSON is
// YAML), `flows` and the workspace's own `connectors` are texts by name. The folder goes when the test `t` ends.
export function workspace(t, { connections = {}, connectors = {}, flows = {}, settings = {} }) {
  const dir = mkdtempSync(join(tmpdir(), 'tieline-e2e-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const main = {
    listen: { hooks: '127.0.0.1:0', admin: '127.0.0.1:0' },
    public_url: 'https://hooks.example.com',
    store: { url: 'sqlite:data' },
    ...settings,
  };
  mkdirSync(join(dir, 'connections'));
  mkdirSync(join(dir, 'flows'));
  writeFileSync(join(dir, 'tieline.yaml'), JSON.stringify(main, null, 2) + '\n');
  for (const [name, value] of Object.entries(connections)) {
    writeFileSync(join(dir, 'connections', `${name}.yaml`), JSON.stringify(value, null, 2) + '\n');
  }
  for (const [name, text] of Object.entries(flows)) write_flow(dir, name, text);
  for (const [name, text] of Object.entries(connectors)) write_connector(dir, name, text);
  return dir;
}

export const write_flow = (dir, name, text) => writeFileSync(join(dir, 'flows', `${name}.yaml`), text);
export function write_connector(dir, name, text) {
  mkdirSync(join(dir, 'connectors'), { recursive: true });
  writeFileSync(join(dir, 'connectors', `${name}.yaml`), text);
}

// The announced JSON of a child: resolves when the file is whole, rejects when the child ends first.
function announced(child, file, output) {
  return new Promise((done, failed) => {
    const read = () => {
      try {
        finish(done, JSON.parse(readFileSync(file, 'utf8')));
      } catch {
        /* not there, or half written: the next change tells */
      }
    };
    const watcher = watch(dirname(file), read);
    const timer = setTimeout(() => finish(failed, new Error(`not ready after 30 s:\n${output()}`)), 30_000);
    const ended = (code, signal) =>
      finish(failed, new Error(`ended with ${signal ?? code} before it was ready:\n${output()}`));
    const finish = (settle, value) => {
      watcher.close();
      clearTimeout(timer);
      child.off('exit', ended);
      settle(value);
    };
    child.on('exit', ended);
    read();
  });
}

// A command of the program that ends by itself.
export function tieline(args, { env = {}, cwd, input } = {}) {
  return new Promise((done, failed) => {
    const child = spawn(binary, args, { cwd, env: { PATH: process.env.PATH, ...secrets, ...env } });
    let stdout = '',
      stderr = '';
    child.stdout.on('data', (part) => {
      stdout += part;
    });
    child.stderr.on('data', (part) => {
      stderr += part;
    });
    child.on('error', failed);
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
    child.stdin.on('error', () => {}); // it need not read what it is given
    child.stdin.end(input);
  });
}

const kPage = 500;

// A running `tieline run DIR`.
export class Tieline {
  // Starts and, unless `wait` is false, waits until it serves.
  static async start(t, dir, { env = {}, wait = true, args = [] } = {}) {
    const self = new Tieline();
    self.output = '';
    self.file = join(dir, `announce-${process.hrtime.bigint()}.json`);
    self.child = spawn(binary, ['run', dir, '--announce', self.file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ...secrets, ...env },
    });
    for (const stream of [self.child.stdout, self.child.stderr])
      stream.on('data', (part) => {
        self.output += part;
        self.heard?.forEach((look) => look());
      });
    // 'close' and not 'exit': only then is all that it said in `output`.
    self.exit = new Promise((done) => self.child.on('close', (code, signal) => done({ code, signal })));
    t?.after(async () => {
      self.child.kill('SIGKILL');
      await self.exit;
    });
    self.ready = announced(self.child, self.file, () => self.output).then((value) => Object.assign(self, value));
    self.ready.catch(() => {});
    if (wait) await self.ready;
    return self;
  }

  // One that another process started, by its admin port's address.
  static at(admin) {
    return Object.assign(new Tieline(), { admin });
  }

  // Waits until the log says so.
  says(what, limit_ms = 20_000) {
    this.heard ??= new Set();
    return new Promise((done, failed) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.heard.delete(look);
        settle(value);
      };
      const timer = setTimeout(
        () => end(failed, new Error(`not said in ${limit_ms} ms: ${what}\n${this.output}`)),
        limit_ms,
      );
      const look = () => {
        if (what.test(this.output)) end(done);
      };
      this.heard.add(look);
      look();
    });
  }

  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    return this.exit;
  }

  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async get(path) {
    const answer = await http(this.admin + path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  }
  status() {
    return this.get('/api/status');
  }
  reload() {
    return http(this.admin + '/api/reload', { method: 'POST', headers: { 'X-Tieline': '1' } });
  }

  // All runs of a flow that fit, oldest first, page by page: an event has one run in a flow.
  async runs({ flow, ...query }) {
    const all = [];
    for (let after = 0; ; after = all.at(-1).event) {
      const page = new URLSearchParams({ flow, ...query, after, count: kPage });
      const { runs } = await this.get(`/api/runs?${page}`);
      all.push(...runs);
      if (runs.length < kPage) return all;
    }
  }

  // Posts a signed webhook; `signed` as sign.mjs makes it.
  post(connection, { headers, body }) {
    return http(`${this.hooks}/hooks/${connection}`, { method: 'POST', headers, body });
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

// One HTTP request, body as Buffer or text in, text out. Unlike fetch it sends exactly the given headers and bytes.
export function http(url, { method = 'GET', headers = {}, body, timeout = 30_000 } = {}) {
  return new Promise((done, failed) => {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const sent = request(
      url,
      {
        method,
        agent,
        timeout,
        headers: bytes ? { 'Content-Length': bytes.length, ...headers } : headers,
      },
      (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', failed);
        answer.on('end', () =>
          done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer from ${url} in ${timeout} ms`)));
    sent.on('error', failed);
    sent.end(bytes);
  });
}

// For what only a question tells, to the admin port or a command; what arrives at a sink is waited for with its `until`, what the
// log says with `says`. Asks `probe` until it gives something true, and gives that; after `limit_ms` fails with what `describe` says.
export async function until(what, probe, { limit_ms = 20_000, every_ms = 25, describe = () => '' } = {}) {
  for (const end = performance.now() + limit_ms; ;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not after ${limit_ms} ms: ${what} ${await describe()}`);
    await new Promise((done) => setTimeout(done, every_ms));
  }
}

// A port for a listener that has to come back at the same address. It is none of those that the kernel gives to
// connections: one of these took it while the listener was down.
export async function free_port() {
  const [given_from] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t').map(Number);
  for (;;) {
    const port = randomInt(1024, given_from);
    const free = await new Promise((done, failed) => {
      const server = createServer()
        .on('error', (error) => (error.code === 'EADDRINUSE' ? done(false) : failed(error)))
        .listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (free) return port;
  }
}

// The same pseudo-random numbers for the same seed (mulberry32).
export function prng(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
