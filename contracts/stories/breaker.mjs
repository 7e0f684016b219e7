// Statistics of prices that an exchange keeps to itself; a market that stands still in a storm.

import { foundry } from 'viem/chains';
import { Model, say, story } from './lib.mjs';

await story('An oracle that trips a circuit-breaker', async (chain) => {
  const [admin, reporter, exchange, stranger] = chain.accounts;

  say('1. The statistics are a model without weights: mean, return and range of 24 prices, which are committed.');
  const model = await Model.compile(chain, 'app_price_stats', { input: 'committed', owner: admin });
  const outputs = [0, 1, 2].map((i) => model.output(i));
  const args = [chain.verifier.address, model.key.id, outputs, exchange, 18, admin];
  const breaker = await chain.deploy('VolatilityBreaker', args, { from: admin });
  await chain.refused('NoPrice', reporter, breaker, 'price');

  // The exchange signs the window's number and the hash of the commitment to its prices.
  const sign = (account, window, { hash }) =>
    chain.client.signTypedData({
      account,
      domain: { name: 'VolatilityBreaker', version: '1', chainId: foundry.id, verifyingContract: breaker.address },
      types: { Window: [{ name: 'window', type: 'uint64' }, { name: 'point', type: 'bytes32' }] },
      primaryType: 'Window',
      message: { window, point: hash },
    });
  const report = async (window, prices) => {
    const proof = model.prove(prices, breaker, reporter, Number(window));
    const { twap, range } = proof.values;
    say(`  mean ${twap[0].toFixed(2)}, range ${range[0].toFixed(2)}: ${((100 * range[0]) / twap[0]).toFixed(1)} % of it`);
    await chain.send(reporter, breaker, 'report', [proof.bytes, window, window, await sign(exchange, window, prices)]);
  };

  say('2. A calm window. The price that the market uses is the proven mean.');
  const calm = model.commit(2, 'calm');
  await report(1n, calm);
  say(`  price: ${Number(await chain.read(breaker, 'price')) / 1e18}`);

  say('3. Prices that the exchange did not sign, and a signature for another window.');
  const storm = model.commit(0, 'storm');
  const proof = model.prove(storm, breaker, reporter, 2);
  for (const signature of [await sign(stranger, 2n, storm), await sign(exchange, 3n, storm)]) {
    await chain.refused('NotSigned', reporter, breaker, 'report', [proof.bytes, 2n, 2n, signature]);
  }

  say('4. A storm: the range is above 18 % of the mean. The breaker trips, until people have looked.');
  await report(2n, storm);
  await chain.refused('EnforcedPause', reporter, breaker, 'price');
  await chain.refused('AccessControlUnauthorizedAccount', reporter, breaker, 'resume');
  await chain.send(admin, breaker, 'resume');
  say(`  price: ${Number(await chain.read(breaker, 'price')) / 1e18}`);
  const again = model.prove(calm, breaker, reporter, 3);
  await chain.refused('OldWindow', reporter, breaker, 'report', [again.bytes, 3n, 1n, await sign(exchange, 1n, calm)]);
});
