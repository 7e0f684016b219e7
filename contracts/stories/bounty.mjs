// A prize for the model that predicts best. Weights are fixed before the test is known, and never shown.

import { readFileSync, writeFileSync } from 'node:fs';
import { concatHex, keccak256, toHex } from 'viem';
import { Model, pack, say, story } from './lib.mjs';

await story('A bounty for hidden models', async (chain) => {
  const [organiser, ada, ben] = chain.accounts;
  const set = JSON.parse(readFileSync(new URL('digits.json', import.meta.url), 'utf8'));
  const pixels = set.sixteenths.flat().map((v) => v / 16);
  const batch = set.labels.length;

  say(`1. Two entrants compile their models for ${batch} rows in one proof; inputs and predictions are public.`);
  const mlp = await Model.compile(chain, 'digits_mlp', { input: 'public', batch, owner: ada });
  const linear = await Model.compile(chain, 'digits_logistic_regression', { input: 'public', batch, owner: ben });

  say('2. The organiser pays the prize in and fixes the test by a hash of salt, labels and inputs.');
  const input = mlp.key.ios[0];
  const [salt, labels, inputs] = [keccak256('0x1234'), toHex(Uint8Array.from(set.labels)), pack(input, pixels)];
  const now = await chain.now();
  const [enterUntil, revealUntil, proveUntil] = [1000, 2000, 3000].map((s) => BigInt(now + s));
  const hash = keccak256(concatHex([salt, labels, inputs]));
  const test = { hash, inputs: input.form, rows: batch, enterUntil, revealUntil, proveUntil };
  const args = [chain.verifier.address, test];
  const bounty = await chain.deploy('PredictionBounty', args, { from: organiser, value: 10_000n });

  say('3. Entries: a model id fixes the weights, a registration proves that they are in range.');
  const [of_mlp, of_linear] = [await mlp.register(ada), await linear.register(ben)];
  const enter = (m, r) => [m.key.id, m.key.account, r.id, r.bytes];
  await chain.refused('OtherRegistration', ada, bounty, 'enter', enter(mlp, of_linear));
  await chain.send(ben, bounty, 'enter', enter(linear, of_linear));
  await chain.send(ada, bounty, 'enter', enter(mlp, of_mlp));

  say('4. Entries are closed. The organiser reads both full keys, approves, and reveals the test.');
  await chain.refused('WrongTime', organiser, bounty, 'reveal', [salt, labels, inputs]);
  await chain.wait(1001);
  for (const entrant of [ada, ben]) await chain.send(organiser, bounty, 'approve', [entrant]);
  await chain.refused('OtherTest', organiser, bounty, 'reveal', [salt, labels, `${inputs.slice(0, -2)}01`]);
  await chain.send(organiser, bounty, 'reveal', [salt, labels, inputs]);

  say('5. Both prove what their models predict on the revealed rows. The contract counts.');
  const file = chain.file('test.json');
  writeFileSync(file, JSON.stringify({ input_data: [pixels], input_shapes: [[batch, 64]] }));
  const of_ben = linear.prove(file, bounty, ben, 0);
  await chain.refused('WrongContext', ada, bounty, 'prove', [of_ben.bytes, 0n]);
  await chain.send(ben, bounty, 'prove', [of_ben.bytes, 0n]);
  await chain.send(ada, bounty, 'prove', [mlp.prove(file, bounty, ada, 0).bytes, 0n]);
  for (const entrant of [ada, ben]) {
    const entry = await chain.read(bounty, 'entries', [entrant]);
    say(`  ${entrant}: ${entry[5]} of ${batch}`);
  }

  say('6. The better one is paid.');
  await chain.wait(2000);
  const before = await chain.client.getBalance({ address: ada });
  await chain.send(organiser, bounty, 'pay');
  const prize = (await chain.client.getBalance({ address: ada })) - before;
  if (prize !== 10_000n) throw new Error(`the prize was ${prize}`);
});
