// Stakes in a game, judged by a model that nobody can train against.

import { Model, real, say, story } from './lib.mjs';

await story('An anti-cheat verdict', async (chain) => {
  const [studio, server, fair, cheat] = chain.accounts;

  say('1. The studio fixes its model by its id, before the game. Who plays cannot see it.');
  const model = await Model.compile(chain, 'digits_autoencoder_anomaly', { input: 'committed', owner: studio });
  const deadline = BigInt((await chain.now()) + 3600);
  const outputs = [model.output(0), model.output(1)];
  const args = [chain.verifier.address, model.key.id, outputs, real(0.02), [studio, server], 1000n, deadline];
  const game = await chain.deploy('AntiCheat', args, { from: studio });

  say('2. Two players stake money. The server commits to what each of them does while they play.');
  for (const player of [fair, cheat]) await chain.send(player, game, 'enter', [], 1000n);
  const records = [model.commit(1, 'fair'), model.commit(0, 'cheat')];
  await chain.send(server, game, 'record', [fair, records[0].point]);
  await chain.send(server, game, 'record', [cheat, records[1].point]);

  say('3. The studio runs the model on what was recorded, and proves both verdicts.');
  const proofs = records.map((record, i) => model.prove(record, game, studio, i));
  proofs.forEach(({ values: v }) => say(`  error ${v.error[0].toFixed(4)}, flag ${v.flag[0]}`));
  say("   It cannot judge the fair player by the cheat's record, nor make a verdict up.");
  await chain.refused('NoRecord', studio, game, 'judge', [proofs[1].bytes, 1n, fair]);
  await chain.send(studio, game, 'judge', [proofs[0].bytes, 0n, fair]);
  await chain.send(studio, game, 'judge', [proofs[1].bytes, 1n, cheat]);

  say('4. The fair player takes the stake back, the other stake goes to the studio.');
  await chain.send(fair, game, 'withdraw');
  await chain.refused('NotClean', cheat, game, 'withdraw');
  await chain.send(studio, game, 'forfeit', [cheat]);
});
