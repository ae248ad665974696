// Says something to the user without being asked. SKILL.md beside this file says when. Written anew at every start.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { notice: { type: 'boolean' }, conversation: { type: 'string' }, id: { type: 'string' } },
});
const { AGENT_STACK_CALLBACK_URL: url, AGENT_STACK_AGENT_ID: agent, AGENT_STACK_RUNNER_API_KEY: token } = process.env;

try {
  const response = await fetch(`${url}/api/internal/agents/${agent}/event`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      role: values.notice ? 'notice' : 'assistant',
      content: positionals.join(' ') || readFileSync(0, 'utf8'),
      conversation_id: values.conversation,
      event_id: values.id,
    }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  console.log(`Said in conversation ${answer.conversation_id}`);
} catch (error) {
  console.error(`Not said: ${error.message}`);
  process.exitCode = 1;
}
