// A loan for a low risk, on data that nobody on the chain sees.

import { Model, real, say, story } from './lib.mjs';

await story('A loan for a proven risk', async (chain) => {
  const [lender, borrower, bureau, thief] = chain.accounts;

  say('1. The lender compiles the risk model. Weights stay hidden, inputs are committed, the risk is public.');
  const model = await Model.compile(chain, 'diabetes_mlp_regressor', { input: 'committed', owner: lender });
  const args = [chain.verifier.address, model.key.id, model.output(0), real(160), bureau, 1000n];
  const lending = await chain.deploy('CreditLending', args, { from: lender, value: 5000n });

  say('2. The bureau looks at two sets of data and publishes the commitment to one of them, for the borrower.');
  const good = model.commit(3, 'good');
  const bad = model.commit(0, 'bad');
  const until = BigInt((await chain.now()) + 3600);
  await chain.refused('NotSigner', borrower, lending, 'commitTo', [borrower, good.point, until]);
  await chain.send(bureau, lending, 'commitTo', [borrower, good.point, until]);

  say('3. The borrower proves the risk, bound to this contract, this account and a number.');
  const proof = model.prove(good, lending, borrower, 0);
  say(`  the risk is ${proof.values.variable[0].toFixed(1)}, the threshold 160`);

  say('4. What does not work: the proof of somebody else, other data, another number.');
  await chain.refused('WrongContext', thief, lending, 'borrow', [proof.bytes, 0n]);
  const other = model.prove(bad, lending, borrower, 0);
  await chain.refused('UnknownData', borrower, lending, 'borrow', [other.bytes, 0n]);
  await chain.refused('WrongContext', borrower, lending, 'borrow', [proof.bytes, 1n]);

  say('5. The loan, once.');
  await chain.send(borrower, lending, 'borrow', [proof.bytes, 0n]);
  await chain.send(borrower, lending, 'repay', [], 1000n);
  await chain.refused('NonceUsed', borrower, lending, 'borrow', [proof.bytes, 0n]);

  say('6. Data with a high risk, although the bureau vouches for them.');
  await chain.send(bureau, lending, 'commitTo', [borrower, bad.point, until]);
  const high = model.prove(bad, lending, borrower, 1);
  say(`  the risk is ${high.values.variable[0].toFixed(1)}`);
  await chain.refused('RiskTooHigh', borrower, lending, 'borrow', [high.bytes, 1n]);
});
