// A board that publishes pictures which a model has looked at, and never sees them.

import { Model, real, say, story } from './lib.mjs';

await story('Content moderation', async (chain) => {
  const [board, author, copycat] = chain.accounts;

  say('1. The board names a model and the classes that it bans: here the digits two and nine.');
  const model = await Model.compile(chain, 'digits_cnn', { input: 'committed', owner: board });
  const args = [chain.verifier.address, model.key.id, model.output(0), real(5), (1n << 2n) | (1n << 9n), board];
  const moderation = await chain.deploy('Moderation', args, { from: board });

  say('2. The author commits to pictures and proves what the model says of each.');
  const pictures = [0, 1, 3].map((c) => model.commit(c, `picture${c}`));
  const [two, zero, nine] = pictures.map((p, i) => model.prove(p, moderation, author, i));
  for (const { values: { logits } } of [two, zero, nine]) {
    say(`  class ${logits.indexOf(Math.max(...logits))}, scores ${logits.map((v) => v.toFixed(1)).join(' ')}`);
  }

  say('3. A zero is published, twos and nines are not.');
  await chain.refused('Banned', author, moderation, 'post', [two.bytes, 0n]);
  await chain.refused('Banned', author, moderation, 'post', [nine.bytes, 2n]);
  await chain.send(author, moderation, 'post', [zero.bytes, 1n]);
  say(`  status of the zero: ${await chain.read(moderation, 'status', [pictures[1].hash])} (2 is published)`);

  say('4. A picture whose scores leave doubt waits for people: threes are banned, and the two looks a little like one.');
  await chain.send(board, moderation, 'setBanned', [1n << 3n]);
  await chain.send(author, moderation, 'post', [two.bytes, 0n]);
  await chain.send(board, moderation, 'decide', [pictures[0].hash, false]);
  say(`  status of the two: ${await chain.read(moderation, 'status', [pictures[0].hash])} (3 is refused)`);

  say('5. Nobody posts a picture twice, or with a proof of somebody else.');
  const copy = model.prove(pictures[1], moderation, copycat, 0);
  await chain.refused('Decided', copycat, moderation, 'post', [copy.bytes, 0n]);
  await chain.refused('WrongContext', copycat, moderation, 'post', [nine.bytes, 2n]);
});
