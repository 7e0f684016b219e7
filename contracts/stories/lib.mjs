// What the stories share: a chain of their own on this machine, contracts from ../out, the commands of proveil.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { concatHex, createTestClient, http, keccak256, pad, publicActions, toHex, walletActions } from 'viem';
import { foundry } from 'viem/chains';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');

/** Says what happens. */
export const say = (text) => process.stdout.write(`${text}\n`);

/** `x * 2^64`, as contracts take real numbers. */
export const real = (x) => BigInt(Math.round(x * 2 ** 32)) << 32n;

const artifact = (name) => JSON.parse(readFileSync(join(root, 'contracts/out', `${name}.json`), 'utf8'));
const errors = artifact('InsecureDevelopmentVerifier').abi.filter((e) => e.type === 'error');

/** A port that nobody listens on. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** The program: $PROVEIL, or what `cargo build --release` made. */
function program() {
  const path = process.env.PROVEIL ?? join(root, 'target/release/proveil');
  if (!existsSync(path)) throw new Error(`${path} is missing: run "cargo build --release", or set PROVEIL`);
  return path;
}

/** Runs a command of proveil; returns its result. */
export function proveil(...args) {
  const out = execFileSync(program(), ['--quiet', '--json', ...args.map(String)], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return out.trim() === '' ? {} : JSON.parse(out);
}

/** A chain with the verifier on it, and a folder for files. Everything is gone after `end`. */
export class Chain {
  async start() {
    const port = await freePort();
    const anvil = join(here, 'node_modules/.bin/anvil');
    if (!existsSync(anvil)) throw new Error('run "npm install" in contracts/stories first');
    // Today's rules, with the most gas that a transaction may take there.
    const options = ['--port', port, '--hardfork', 'osaka', '--enable-tx-gas-limit', '--silent'];
    this.node = spawn(process.execPath, [anvil, ...options.map(String)], { stdio: 'ignore' });
    this.folder = mkdtempSync(join(tmpdir(), 'proveil-story-'));
    const transport = http(`http://127.0.0.1:${port}`, { retryCount: 0 });
    this.client = createTestClient({ chain: foundry, mode: 'anvil', transport, pollingInterval: 20 })
      .extend(publicActions)
      .extend(walletActions);
    for (let tries = 0; ; ++tries) {
      try {
        this.accounts = await this.client.request({ method: 'eth_accounts' });
        break;
      } catch (e) {
        if (tries > 300 || this.node.exitCode !== null) throw e;
        await new Promise((done) => setTimeout(done, 100));
      }
    }
    // Keys of this chain come from a set-up whose secret everybody knows, hence the verifier's name.
    this.verifier = await this.deploy('InsecureDevelopmentVerifier', [], { from: this.accounts[9] });
  }

  end() {
    this.node?.kill();
    if (this.folder) rmSync(this.folder, { recursive: true, force: true });
  }

  file(name) {
    return join(this.folder, name);
  }

  /** Waits for a transaction; returns its receipt. */
  async done(hash) {
    const receipt = await this.client.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`transaction ${hash} failed`);
    return receipt;
  }

  /** Deploys a contract of ../out. */
  async deploy(name, args, { from, value } = {}) {
    const { abi, bytecode } = artifact(name);
    const hash = await this.client.deployContract({ abi, bytecode: `0x${bytecode}`, args, account: from, value });
    const { contractAddress } = await this.done(hash);
    const known = new Set(abi.map((e) => `${e.type} ${e.name}`));
    return { name, address: contractAddress, abi: [...abi, ...errors.filter((e) => !known.has(`error ${e.name}`))] };
  }

  /** Deploys an account that holds a key. */
  async deployKey(code, from) {
    const { contractAddress } = await this.done(await this.client.sendTransaction({ account: from, data: code }));
    return contractAddress;
  }

  /** Sends a transaction; returns the gas that it took. */
  async send(from, contract, functionName, args = [], value) {
    const { request } = await this.client.simulateContract({ ...contract, functionName, args, account: from, value });
    const { gasUsed } = await this.done(await this.client.writeContract(request));
    say(`  ${contract.name}.${functionName}: accepted, ${gasUsed} gas`);
    return gasUsed;
  }

  /** Tries what must be refused with an error of this name. */
  async refused(error, from, contract, functionName, args = []) {
    let got = 'accepted';
    try {
      await this.client.simulateContract({ ...contract, functionName, args, account: from });
    } catch (e) {
      got = e.walk?.((c) => c.data?.errorName)?.data?.errorName ?? e.shortMessage ?? String(e);
    }
    if (got !== error) throw new Error(`${contract.name}.${functionName}: expected ${error}, got ${got}`);
    say(`  ${contract.name}.${functionName}: refused, ${error}`);
  }

  read(contract, functionName, args = []) {
    return this.client.readContract({ ...contract, functionName, args });
  }

  /** Seconds since 1970, on this chain. */
  async now() {
    return Number((await this.client.getBlock()).timestamp);
  }

  async wait(seconds) {
    await this.client.increaseTime({ seconds });
    await this.client.mine({ blocks: 1 });
  }
}

/** A bundled model, compiled for contracts, its key on the chain. */
export class Model {
  static async compile(chain, name, { input, batch, owner, as = name }) {
    const model = Object.assign(new Model(), { chain, name, as });
    const folder = join(root, 'models', name);
    model.cases = join(folder, 'cases.npz');
    const visibility = `input=${input},model=private,output=public`;
    const set = ['--backend', 'succinct', '--srs', 'dev', '--insecure-set-up', '--visibility', visibility];
    if (batch) set.push('--batch', batch);
    const [pkg, key] = [chain.file(`${as}.pkg`), chain.file(`${as}.key`)];
    proveil('compile', join(folder, 'model.onnx'), '--samples', model.cases, ...set, '-o', pkg, '--short-key', key);
    model.key = await Key.onChain(chain, key, owner);
    say(`  ${name}: compiled, model id ${model.key.id.slice(0, 18)}..`);
    return model;
  }

  /** The form of an output. */
  output(i) {
    return this.key.ios.filter((io) => !io.input)[i].form;
  }

  /** Input options: a case of the bundled ones, or a file. */
  given(input) {
    return typeof input === 'number' ? ['--input', this.cases, '--case', input] : ['--input', input];
  }

  /** Commits to an input; returns the point, which may be shown, and the opening, which stays secret. */
  commit(input, name) {
    const [opening, shown] = [this.chain.file(`${name}.open`), this.chain.file(`${name}.json`)];
    const pkg = this.chain.file(`${this.as}.pkg`);
    proveil('commit', pkg, '--srs', 'dev', ...this.given(input), '-o', opening, '--public', shown);
    const point = `0x${JSON.parse(readFileSync(shown, 'utf8'))[0].point}`;
    return { opening, input, point, hash: keccak256(point) };
  }

  /** Proves a result for one contract, one sender and one number; `data` is a commitment or an input. */
  prove(data, contract, sender, nonce) {
    const [pkg, proof] = [this.chain.file(`${this.as}.pkg`), this.chain.file('last.proof')];
    const bind = [foundry.id, contract.address, sender, nonce].join(',');
    const how = data.opening ? [...this.given(data.input), '--commitment', data.opening] : this.given(data);
    const { outputs } = proveil('prove', pkg, '--srs', 'dev', ...how, '--bind', bind, '-o', proof);
    const values = Object.fromEntries(Object.entries(outputs).map(([name, o]) => [name, o.values]));
    return { bytes: this.key.calldata(proof), values };
  }

  /** Proves that all weights are in their declared ranges. */
  async register(owner) {
    const [pkg, key, proof] = ['pkg', 'r.key', 'r.proof'].map((end) => this.chain.file(`${this.as}.${end}`));
    const out = this.chain.file(`${this.as}.registration`);
    proveil('register', pkg, '--srs', 'dev', '-o', out, '--short-key', key, '--proof', proof);
    const registration = await Key.onChain(this.chain, key, owner);
    return { id: registration.id, bytes: registration.calldata(proof) };
  }
}

/** A short key in an account. */
class Key {
  static async onChain(chain, path, owner) {
    const folder = `${path}.solidity`;
    const { deployment } = proveil('export', 'solidity', '--key', path, '--insecure-set-up', '-o', folder);
    const account = await chain.deployKey(readFileSync(join(folder, 'key.hex'), 'utf8').trim(), owner);
    return Object.assign(new Key(), { path, account, id: deployment.model_id, ios: deployment.ios });
  }

  /** A proof as contracts take it. */
  calldata(proof) {
    return proveil('export', 'calldata', '--key', this.path, '--proof', proof, '--account', this.account).proof;
  }
}

/** Real numbers as a proof has them: distances from the least integer, in as many bytes as the form says. */
export function pack(io, numbers) {
  const word = BigInt(io.form);
  const [width, least] = [Number((word >> 240n) & 0xffn), BigInt.asIntN(64, word >> 64n)];
  return concatHex(numbers.map((x) => pad(toHex(BigInt(Math.round(x * 2 ** io.scale)) - least), { size: width })));
}

/** Runs a story on a chain of its own. */
export async function story(title, tell) {
  say(`\n== ${title}`);
  const start = Date.now();
  const chain = new Chain();
  try {
    await chain.start();
    await tell(chain);
    say(`-- ${((Date.now() - start) / 1000).toFixed(0)} s`);
  } catch (e) {
    // Calldata fill pages.
    process.stderr.write(`${String(e.shortMessage ?? e.message ?? e).slice(0, 1000)}\n`);
    process.exitCode = 1;
    throw new Error(`the story "${title}" failed`);
  } finally {
    chain.end();
  }
}
