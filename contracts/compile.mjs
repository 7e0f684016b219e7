// Compiles every contract under src/, examples/, generated/ and test/ with the pinned compiler and fixed settings, and writes one file a
// contract to out/. With --check nothing is written: the files there must be byte for byte what would be.
//
// The tests in crates/evm deploy the files of out/, so that they need neither this script nor the network.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const solc = createRequire(import.meta.url)('solc');
const root = dirname(fileURLToPath(import.meta.url));
// The settings are a file of their own: folders that `export solidity` writes have them too, so that anybody makes the same bytes.
const settings = {
  ...JSON.parse(readFileSync(join(root, 'settings.json'), 'utf8')),
  outputSelection: {
    '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.sourceMap'] },
  },
};
// Contracts whose gas tests split by source file, and files whose instructions count for the one
// that uses them: arithmetic, and what the compiler makes of no line in particular.
const measured = ['InsecureDevelopmentVerifier', 'ProveilVerifier'];
const helpers = [...measured, 'Curve', 'Field', 'Sumcheck', 'Transcript'];

const sources = {};
for (const folder of ['examples', 'generated', 'src', 'test']) {
  for (const name of readdirSync(join(root, folder)).filter((n) => n.endsWith('.sol')).sort()) {
    sources[`${folder}/${name}`] = { content: readFileSync(join(root, folder, name), 'utf8') };
  }
}
const hash = createHash('sha256');
for (const [path, { content }] of Object.entries(sources)) hash.update(`${path}\0${content}\0`);
const sourcesHash = hash.digest('hex');

// Parts of others, at the versions that the lock file pins.
const imported = (path) => ({ contents: readFileSync(join(root, 'node_modules', path), 'utf8') });
const input = JSON.stringify({ language: 'Solidity', sources, settings });
const output = JSON.parse(solc.compile(input, { import: imported }));
const messages = output.errors ?? [];
for (const m of messages) process.stderr.write(m.formattedMessage);
if (messages.some((m) => m.severity !== 'info')) process.exit(1);

// Which file every instruction is from: names, then a letter and a number of instructions for each run, `.` for helpers.
const names = new Map(Object.entries(output.sources).map(([path, { id }]) => [id, path.replace(/.*\/|\.sol$/g, '')]));
const stages = (sourceMap) => {
  const files = [];
  const runs = [];
  let id = -1;
  for (const entry of sourceMap.split(';')) {
    id = Number(entry.split(':')[2] || id);
    const name = names.get(id);
    if (name && !helpers.includes(name) && !files.includes(name)) files.push(name);
    const letter = files.includes(name) ? String.fromCharCode(97 + files.indexOf(name)) : '.';
    if (runs.length > 0 && runs.at(-1)[0] === letter) runs.at(-1)[1] += 1;
    else runs.push([letter, 1]);
  }
  return { files, runs: runs.map(([letter, count]) => `${letter}${count}`).join('') };
};

const files = new Map();
for (const contracts of Object.values(output.contracts)) {
  for (const [name, c] of Object.entries(contracts)) {
    // Libraries of internal functions, interfaces and contracts that others extend have no code of their own.
    if (c.abi.every((entry) => entry.type === 'error') || c.evm.bytecode.object === '') continue;
    const artifact = {
      contract: name,
      compiler: solc.version(),
      settings: { evmVersion: settings.evmVersion, viaIR: settings.viaIR, runs: settings.optimizer.runs },
      sources: sourcesHash,
      abi: c.abi,
      bytecode: c.evm.bytecode.object,
      runtime: c.evm.deployedBytecode.object,
      ...(measured.includes(name) && { stages: stages(c.evm.deployedBytecode.sourceMap) }),
    };
    files.set(`${name}.json`, `${JSON.stringify(artifact, null, 1)}\n`);
  }
}

// Folders that `export solidity` writes hold the verifiers' sources only: their bytes do not depend on the others.
const alone = (name) => {
  const own = {};
  const open = [`${name}.sol`];
  while (open.length > 0) {
    const path = `src/${open.pop()}`;
    if (own[path]) continue;
    own[path] = sources[path];
    for (const [, file] of own[path].content.matchAll(/ from "\.\/(.*)";/g)) open.push(file);
  }
  return JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources: own, settings })));
};
if (process.argv.includes('--check')) {
  const code = (o, name) => o.contracts[`src/${name}.sol`][name].evm.bytecode.object;
  const wrong = ['BatchVerifier', 'ProveilVerifier'].filter((name) => code(alone(name), name) !== code(output, name));
  if (wrong.length > 0) {
    process.stderr.write(`compiled to other bytes without the sources that are not needed: ${wrong.join(', ')}\n`);
    process.exit(1);
  }
}

const out = join(root, 'out');
mkdirSync(out, { recursive: true });
const present = readdirSync(out).filter((n) => n.endsWith('.json'));
if (process.argv.includes('--check')) {
  const read = (n) => (present.includes(n) ? readFileSync(join(out, n), 'utf8') : undefined);
  const wrong = [...new Set([...present, ...files.keys()])].filter((n) => files.get(n) !== read(n));
  if (wrong.length > 0) {
    process.stderr.write(`not what the compiler makes: ${wrong.join(', ')}; run "npm run compile"\n`);
    process.exit(1);
  }
} else {
  for (const n of present) rmSync(join(out, n));
  for (const [n, text] of files) writeFileSync(join(out, n), text);
}
for (const [n, text] of files) process.stdout.write(`${n} ${JSON.parse(text).runtime.length / 2} bytes\n`);
