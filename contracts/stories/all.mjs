// All stories, one after the other.

for (const name of ['lending', 'breaker', 'anti-cheat', 'moderation', 'bounty']) await import(`./${name}.mjs`);
