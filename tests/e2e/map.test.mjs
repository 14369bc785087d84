// `tieline map` as somebody who knows jq uses it: options, streams, exit codes, and errors that point at what is wrong.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { binary, needs_shared, root, shared, tieline, workspace } from './support.mjs';

const map = (args, input = '', more = {}) => tieline(['map', ...args], { input, ...more });

function folder(t, files = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'tieline-map-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

// What is printed, where all is well.
async function prints(args, input, expected, more) {
  const { code, stdout, stderr } = await map(args, input, more);
  assert.deepEqual({ stdout, stderr, code }, { stdout: expected, stderr: '', code: 0 }, args.join(' '));
}

test('options print as jq does', async () => {
  const input = '{"b":[1,"é"],"a":null}';
  await prints(['.'], input, '{\n  "b": [\n    1,\n    "é"\n  ],\n  "a": null\n}\n');
  await prints(['-c', '.'], input, '{"b":[1,"é"],"a":null}\n');
  await prints(['-cS', '.'], input, '{"a":null,"b":[1,"é"]}\n');
  await prints(['-ca', '.b'], input, '[1,"\\u00e9"]\n');
  await prints(['--tab', '.b'], input, '[\n\t1,\n\t"é"\n]\n');
  await prints(['--indent', '1', '.b'], input, '[\n 1,\n "é"\n]\n');
  await prints(['--indent', '0', '.b'], input, '[1,"é"]\n');
  await prints(['-r', '.b[]'], input, '1\né\n');
  await prints(['-ra', '.b[1]'], input, '"\\u00e9"\n');
  await prints(['-j', '.b[]'], input, '1é');
  await prints(['--raw-output0', '.b[]'], input, '1\0é\0');
  await prints(['--seq', '-c', '.b'], input, '\x1e[1,"é"]\n');
  await prints(['-cC', '.a'], input, '\x1b[1;30mnull\x1b[0m\n');
  await prints(['-cCM', '.a'], input, 'null\n');
  await prints(['-rc', '.b[1], .b'], input, 'é\n[1,"é"]\n');
});

test('inputs are read as jq does', async (t) => {
  const dir = folder(t, { 'a.json': '1 [2]', 'b.json': '{"c":3}', 'lines.txt': 'one\ntwo\r\nthree' });
  const [a, b, lines] = ['a.json', 'b.json', 'lines.txt'].map((name) => join(dir, name));
  await prints(['-c', '.'], '1[2]{"a":3}"x"\n\ntrue', '1\n[2]\n{"a":3}\n"x"\ntrue\n');
  await prints(['.'], '', '');
  await prints(['-c', '.', a, b], '', '1\n[2]\n{"c":3}\n');
  await prints(['-c', '.', a, '-'], '9', '1\n[2]\n9\n');
  await prints(['-cs', '.', a, b], '', '[1,[2],{"c":3}]\n');
  await prints(['-cs', '.'], '', '[]\n');
  await prints(['-n', '1, .'], 'not read', '1\nnull\n');
  await prints(['-R', '.', lines], '', '"one"\n"two\\r"\n"three"\n');
  await prints(['-Rs', '.', lines], '', '"one\\ntwo\\r\\nthree"\n');
  await prints(['-R', '.'], Buffer.from([0x61, 0xff, 0x0a]), '"a\ufffd"\n');
});

test('variables come from words and files', async (t) => {
  const dir = folder(t, { 'many.json': '1 [2]', 'text.txt': 'a\nb', 'program.jq': '# sums\n.a\n  + $x\n' });
  await prints(['-nc', '[$a, $b]', '--arg', 'a', '1', '--argjson', 'b', '-1'], '', '["1",-1]\n');
  await prints(['-nc', '[$f, $r]', '--slurpfile', 'f', join(dir, 'many.json'), '--rawfile', 'r', join(dir, 'text.txt')],
    '', '[[1,[2]],"a\\nb"]\n');
  await prints(['-nc', '$ARGS', '--arg', 'a', 'x', '--args', 'b', 'c'], '',
    '{"positional":["b","c"],"named":{"a":"x"}}\n');
  await prints(['-nc', '--args', '$ARGS.positional', 'b', '-S', '--', '-c'], '', '["b","-c"]\n');
  await prints(['-nc', '$ARGS.positional', '--jsonargs', '[1,2]', '{"a":null}'], '', '[[1,2],{"a":null}]\n');
  await prints(['-f', join(dir, 'program.jq'), '--argjson', 'x', '2'], '{"a":1}', '3\n');
  await prints(['--argjson', 'x', '2', '--from-file', join(dir, 'program.jq'), '-'], '{"a":1}', '3\n');
});

test('numbers keep their digits', async () => {
  const text = '{"id":12345678901234567890,"n":9007199254740993,"m":1.10,"d":123456789012345678901234.56789}';
  await prints(['-c', '{id,n,m,d}'], text, text + '\n');
});

test('exit codes are those of jq', async () => {
  const cases = [
    [['-e', '.'], '1 null', 1],
    [['-e', '.'], 'null 1', 0],
    [['-e', '.'], 'false', 1],
    [['-e', 'empty'], '1', 4],
    [['-e', 'error'], '1', 5],
    [['error'], '1', 5],
    [['.'], '1 ]', 2],
    [['.', '/nowhere/at/all'], '', 2],
    [['.', tmpdir()], '', 2],
    [['.a.['], '1', 3],
    [['--indent', '9', '.'], '1', 2],
    [['--slurpfile', 'a', '/nowhere', '.'], '1', 2],
    [['--nonsense', '.'], '1', 2],
    [[], '1', 2],
  ];
  for (const [args, input, expected] of cases) {
    const { code, stderr } = await map(args, input);
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`);
  }
});

test('an error of the program goes on with the next document', async (t) => {
  const file = join(folder(t, { 'in.ndjson': '1\n"x"\n\n3\n' }), 'in.ndjson');
  const { code, stdout, stderr } = await map(['. + 1', file]);
  assert.equal(stdout, '2\n4\n');
  assert.equal(stderr, `${file}:2:1: error: the program failed: string ("x") and number (1) cannot be added\n`);
  assert.equal(code, 5);
});

test('what came before a mistake is printed, the mistake has its place', async (t) => {
  const dir = folder(t, { 'in.json': '{"a":1}\n{"a":2}\n{"a" 3}\n{"a":4}\n' });
  const { code, stdout, stderr } = await map(['.a', join(dir, 'in.json'), join(dir, 'none.json')]);
  assert.equal(stdout, '1\n2\n');
  assert.equal(stderr, `${join(dir, 'in.json')}:3:6: error: expected ":" after a key, found "3"\n`);
  assert.equal(code, 2);
  const other = await map(['.a', join(dir, 'none.json'), '-'], '{"a":5}');
  assert.match(other.stderr, /^error: cannot read ".*none\.json": No such file or directory\n$/);
  assert.deepEqual([other.stdout, other.code], ['5\n', 2]);
});

test('errors point into the program', async (t) => {
  const dir = folder(t, { 'p.jq': '.a |\n\tuppr(.e; 1) # é\n' });
  const one = await map(['.a + lenght'], '1');
  assert.equal(one.stderr, 'PROGRAM:1:6: error: the function lenght/0 is not defined; did you mean "length"?\n' +
    '  .a + lenght\n       ^\n');
  const two = await map(['-f', join(dir, 'p.jq')], '1');
  assert.equal(two.stderr.split('\n').slice(1).join('\n'), '  \tuppr(.e; 1) # é\n  \t^\n');
  const long = await map([`[${'1, '.repeat(200)} $é, ${'2, '.repeat(200)} 3]`], '1');
  const [, line, caret] = long.stderr.split('\n');
  assert.ok(line.length < 140, line);
  assert.equal(line[caret.indexOf('^')], '$');
});

test('results come as soon as they can', async (t) => {
  const child = spawn(binary, ['map', '-c', '[.]']);
  t.after(() => child.kill('SIGKILL'));
  const answers = child.stdout[Symbol.asyncIterator]();
  for (const part of ['1\n', '{"a":', '2}', '"x"']) child.stdin.write(part);
  let seen = '';
  while (!seen.includes('"x"')) seen += (await answers.next()).value;
  assert.equal(seen, '[1]\n[{"a":2}]\n["x"]\n');
  child.stdin.end('7');
  assert.equal(String((await answers.next()).value), '[7]\n');
});

test('a reader that goes away ends it', async (t) => {
  const child = spawn(binary, ['map', '-n', 'range(1e9)'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (part) => (said += part));
  child.stdout.once('data', () => child.stdout.destroy());
  const signal = await new Promise((done) => child.on('close', (_, by) => done(by)));
  assert.deepEqual([signal, said], ['SIGPIPE', '']);
});

test('more results than a flow may have', async () => {
  const { code, stdout } = await map(['-n', 'range(100000)']);
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').length, 100001);
});

test('the parsing suite through standard input', { skip: needs_shared }, async () => {
  const suite = join(shared, 'corpora/json/test_parsing'),
    wrong = [];
  const files = readdirSync(suite).filter((name) => /^[yn].*\.json$/.test(name));
  // Documents may stand one after the other, and there may be none; a byte order mark may stand before them.
  const several = new Set([
    'n_single_space.json',
    'n_structure_double_array.json',
    'n_structure_object_with_trailing_garbage.json',
    'n_structure_no_data.json',
    'n_structure_UTF8_BOM_no_data.json',
  ]);
  for (const name of files) {
    const { code, signal } = await map(['-c', '.', join(suite, name)]);
    const expected = name[0] === 'y' || several.has(name) ? 0 : 2;
    if (code !== expected || signal) wrong.push(`${name}: ${signal ?? code}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(files.length > 250, `${files.length} files`);
});

test('--explain prints the compiled form', async () => {
  const { code, stdout, stderr } = await map(['--explain', '{id, n: "\\(.a) \\(1 + 1)"} | select(.id)']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^1 {3}pipe$/m);
  assert.match(stdout, /object, its shape known/);
});

test('--bench prints times, not results', async () => {
  const { code, stdout, stderr } = await map(['--bench', '-c', '.a'], '{"a":1}\n{"a":2}\n');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^2 documents of 8 bytes, 1 bytes printed for each\n/);
  for (const row of ['parse', 'run', 'print', 'whole']) assert.match(stdout, new RegExp(`^${row} +\\d`, 'm'));
  assert.equal((await map(['--bench', '.'], '')).code, 2);
  assert.equal((await map(['--bench', 'error'], '1')).code, 5);
});

test('the help page shows every option and examples that run', async () => {
  const { code, stdout } = await tieline(['help', 'map']);
  assert.equal(code, 0);
  for (const option of ['-n, --null-input', '--slurpfile NAME FILE', '-f, --from-file FILE', '--bench', '5 a program'])
    assert.ok(stdout.includes(option), option);
  const order = join(root, 'docs/order.json');
  await prints(['-r', '.name', order], '', '#1042\n');
});

test('check shows the line of a flow, and no line that may hold a secret', async (t) => {
  const dir = workspace(t, {
    connections: { hubspot: { connector: 'hubspot', auth: { private_app: { token: 'pat-eu1-written-down' } } } },
    flows: { orders: 'on: { webhook: shopify, event: orders/create }\nsteps:\n  - map: { a: =.a | lenght }\n' },
  });
  const { code, stderr } = await tieline(['check', dir]);
  assert.equal(code, 3);
  assert.ok(stderr.includes('did you mean "length"?\n    - map: { a: =.a | lenght }\n                      ^\n'), stderr);
  assert.ok(!stderr.includes('pat-eu1'), stderr);
});
