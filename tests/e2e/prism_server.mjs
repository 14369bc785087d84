// Stoplight Prism judges the engine's requests: each vendor's own document says what may be sent to that vendor. Only
// the request side counts; the engine gets a fixed answer, since Prism makes its answers up.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import YAML from 'yaml';
import { free_port, http, root, shared } from './support.mjs';

const specs = join(shared, 'vendor-specs');
const slack_file = join(specs, 'slack/slack_web_openapi_v2.json');

// Stripe's document (4 MB) does not start in Prism within three minutes: its answers refer to one another in circles.
// The operations named in `wanted` are served with their parameters and bodies as Stripe wrote them, and without answers.
function stripe_requests(wanted) {
  const { openapi, info, servers, security, components, paths } = YAML.parse(
    readFileSync(join(specs, 'stripe/spec3-2023-08-16.yaml'), 'utf8'),
    { maxAliasCount: -1 },
  );
  const cut = {};
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (!wanted(method, path)) continue;
      (cut[path] ??= {})[method] = { ...operation, responses: { 200: { description: 'ok' } } };
    }
  }
  const text = JSON.stringify(cut);
  if (text.includes('"$ref"')) throw new Error('a request of Stripe refers to a schema that was cut away');
  return { openapi, info, servers, security, components: { securitySchemes: components.securitySchemes }, paths: cut };
}

// Slack's document is Swagger 2.0 of 2021. It takes JSON too (`consumes`) but describes fields for forms only, and the
// token as a field of its own, which Slack has since replaced by `Authorization: Bearer`. So what is sent is said again
// in the document's terms: fields as a form, structures as JSON text in it, the bearer token as `token`.
function in_slacks_terms({ method, path, query, headers, body }) {
  const document = (in_slacks_terms.document ??= JSON.parse(readFileSync(slack_file, 'utf8')));
  const operation = document.paths[path]?.[method.toLowerCase()];
  if (!operation) return { method, path, query, headers, body };
  const said = { ...headers },
    token = /^Bearer (xox\S+)$/.exec(headers.authorization ?? '')?.[1];
  let parameters = query;
  for (const parameter of operation.parameters) {
    if (parameter.name !== 'token' || !token) continue;
    if (parameter.in === 'header') said.token = token;
    else parameters = `${query ? `${query}&` : '?'}token=${token}`;
  }
  if (
    headers['content-type']?.startsWith('application/json') &&
    operation.consumes.includes('application/json') &&
    body
  ) {
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(JSON.parse(body)))
      form.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    said['content-type'] = 'application/x-www-form-urlencoded';
    return { method, path, query: parameters, headers: said, body: form.toString() };
  }
  return { method, path, query: parameters, headers: said, body };
}

// HubSpot's document has texts in `sorts`; its guide, and its service, objects (connectors/hubspot.yaml names both). So
// an object of that form is said as the text that the document wants, and all else is left as it is.
function in_hubspots_terms(request) {
  const body = request.path.endsWith('/search') ? JSON.parse(request.body) : undefined;
  if (!Array.isArray(body?.sorts)) return request;
  const text = (sort) =>
    ['ASCENDING', 'DESCENDING'].includes(sort.direction) && Object.keys(sort).length === 2 ? sort.propertyName : sort;
  return { ...request, body: JSON.stringify({ ...body, sorts: body.sorts.map(text) }) };
}

const documents = {
  hubspot: [
    {
      path: /^\/crm\/v3\/objects\/contacts\b/,
      file: join(specs, 'hubspot/crm-contacts-v3.json'),
      adapt: in_hubspots_terms,
    },
    { path: /^\/crm\/v3\/objects\/companies\b/, file: join(specs, 'hubspot/crm-companies-v3.json') },
    { path: /^\/crm\/v3\/objects\/line_items\b/, file: join(specs, 'hubspot/crm-line-items-v3.json') },
    { path: /^\/crm\/v3\/objects\/0-3\b/, file: join(specs, 'hubspot/crm-deals-v3.json') },
    { path: /^\/crm\/v4\//, file: join(specs, 'hubspot/crm-associations-v4.json') },
    { path: /^\/account-info\//, file: join(specs, 'hubspot/account-info-v3.json') },
  ],
  slack: [{ path: /^\//, file: slack_file, adapt: in_slacks_terms }],
  stripe: [{ path: /^\//, make: stripe_requests }],
};

async function serve(t, file) {
  const port = await free_port();
  const child = spawn(
    process.execPath,
    [
      join(root, 'tests/node_modules/@stoplight/prism-cli/dist/index.js'),
      'mock',
      '--errors',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      file,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  await new Promise((done, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part) => {
        output += part;
        if (output.includes('Prism is listening')) done();
      });
    }
    child.on('exit', (code) => failed(new Error(`Prism ended with ${code} on ${file}:\n${output}`)));
  });
  return `http://127.0.0.1:${port}`;
}

// What Prism holds against a request; what it says about its own made-up answers is left out.
function violations({ status, headers, body }) {
  const found = JSON.parse(headers['sl-violations'] ?? '[]')
    .filter(({ location }) => location[0] === 'request')
    .map(({ location, message }) => `${location.join('.')}: ${message}`);
  if (found.length === 0 && status >= 400 && body.includes('stoplight.io/prism/errors')) {
    const { title, detail, validation = [] } = JSON.parse(body);
    if (validation.length > 0 && validation.every(({ location }) => location[0] === 'response')) return [];
    found.push(
      `${status} ${title}: ${detail} ${validation.map(({ location, message }) => `${location.join('.')}: ${message}`).join('; ')}`,
    );
  }
  return found;
}

// Starts Prism once for each document and gives `judge(vendor, request)` → list of violations, where `request` is
// {method, url, headers, raw} with the vendor's path in `url`.
export async function start_prism(t, { stripe }) {
  const folder = mkdtempSync(join(tmpdir(), 'tieline-prism-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const served = await Promise.all(
    Object.entries(documents).flatMap(([vendor, list]) =>
      list.map(async (entry) => {
        let { file } = entry;
        if (entry.make) writeFileSync((file = join(folder, `${vendor}.json`)), JSON.stringify(entry.make(stripe)));
        return { ...entry, vendor, url: await serve(t, file) };
      }),
    ),
  );
  return async (vendor, { method, url, headers, raw }) => {
    const [path, query] = url.split(/(?=\?)/);
    const entry = served.find((each) => each.vendor === vendor && each.path.test(path));
    if (!entry) return [`no document of ${vendor} has ${path}`];
    const { host, connection, 'content-length': _, 'transfer-encoding': __, ...kept } = headers;
    let request = { method, path, query: query ?? '', headers: kept, body: raw || undefined };
    if (entry.adapt) request = entry.adapt(request);
    return violations(await http(entry.url + request.path + request.query, request));
  };
}
