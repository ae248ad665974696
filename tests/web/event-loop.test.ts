/**
 * One event loop serves all users: no input of a client, a runner or an upstream may block it. Each kind of input is
 * sent to a router in a process of its own, while its pulse is measured.
 */
import {
  answers,
  asResponse,
  CALLER,
  chat,
  chatWith,
  DONE,
  delta,
  endlessly,
  MB,
  nested,
  nobodyWaits,
  post,
  router,
  STORED,
  says,
  useRouterProcess,
} from '../support/event-loop';

useRouterProcess();

const callAt = (at: number) =>
  `"tool_calls":[{"index":${at * 1_000},"id":"c${at}","function":{"name":"f","arguments":""}}]`;
/** What is sent, and what the client is told of it. */
nobodyWaits({
  'a body nested 40,000 deep': [400, () => chatWith(`"store":true,"x":${nested(40_000)}`)],
  'a body of 20 MB of brackets': [400, () => post('/v1/chat/completions', '['.repeat(20 * MB - 1))],
  'a body of 15 MB of empty objects': [400, () => chatWith(`"x":[${'{},'.repeat(5 * MB)}0]`)],
  'a body of 200,000 names': [400, () => chatWith(Array.from({ length: 200_000 }, (_, at) => `"k${at}":0`).join())],
  'a body of 15 MB of escapes': [400, () => chatWith(`"x":"${'\\n'.repeat(7 * MB)}"`)],
  'a body of 15 MB of blanks': [400, () => chatWith(`${' '.repeat(15 * MB)}"x":0`)],
  'a string of 4 MB without an end': [400, () => chatWith(`"x":"${'a'.repeat(4 * MB)}`)],
  'a body of 15 MB that is no UTF-8': [400, () => post('/v1/chat/completions', new Uint8Array(15 * MB).fill(0xff))],
  '4,000 calls and their outputs': [
    200,
    () => {
      says({ content: 'Hi' });
      const calls = Array.from({ length: 4_000 }, (_, at) => `{"type":"function_call","call_id":"c${at}","name":"f"}`);
      const outputs = Array.from({ length: 4_000 }, (_, at) => `{"type":"function_call_output","call_id":"c${at}"}`);
      return post('/v1/responses', `{"model":"chat","input":[${calls},${outputs}]}`);
    },
  ],
  'a form with a field nested 200,000 deep': [
    422,
    () => {
      const form = new FormData();
      form.set('email', nested(200_000));
      return fetch(`${router.url}/auth/login`, { method: 'POST', body: form }).then(({ status }) => status);
    },
  ],
  'a form of 200,000 fields': [
    400,
    () => post('/auth/login', '&a=b'.repeat(200_000), 'application/x-www-form-urlencoded'),
  ],
  'JSON nested 200,000 deep on a page': [400, () => post('/auth/login', nested(200_000))],
  'JSON of many values on a page': [400, () => post('/auth/login', `{"x":[${'0,'.repeat(MB / 4)}0]}`)],
  'a refusal of dots': [400, () => answers('a.'.repeat(100_000), { status: 400, type: 'text/plain' })],
  'a refusal of hyphens': [400, () => answers('a-'.repeat(100_000), { status: 400, type: 'text/plain' })],
  'a refusal nested deep': [
    400,
    () => answers(`{"error":${nested(7_000)}}`, { status: 400, type: 'application/json' }),
  ],
  'a stream of deltas nested 60,000 deep': [200, () => answers(delta(`"x":${nested(60_000)}`) + DONE, STORED)],
  'an index nested 200,000 deep': [
    200,
    () => answers(`data: {"type":"response.output_item.done","output_index":${nested(200_000)}}\n\n${DONE}`, STORED),
  ],
  'an upstream whose deltas are nested deep': [200, () => answers(delta(`"content":${nested(60_000)}`) + DONE, CALLER)],
  'an upstream whose answer is nested deep': [
    200,
    () => answers(`{"choices":[{"message":{"content":${nested(60_000)}}}]}`, { ...CALLER, type: 'application/json' }),
  ],
  'an upstream that begins its usage again and again': [
    200,
    () => answers(`${'{"usage":'.repeat(50_000)}0`, { ...CALLER, type: 'application/json' }),
  ],
  'an answer of 12 MB that is recorded': [
    200,
    () => answers(delta(`"content":"${'a'.repeat(1_000)}"`).repeat(12_000) + DONE, STORED),
  ],
  'a recorded body of 12 MB': [
    200,
    () =>
      answers(`{"choices":[{"message":{"content":"${'a'.repeat(12 * MB)}"}}]}`, {
        ...STORED,
        type: 'application/json',
      }),
  ],
  'a recorded stream of a million empty events': [200, () => answers('data:{}\n\n'.repeat(1_000_000) + DONE, STORED)],
  'an answer that begins with blanks without end': [
    200,
    () => answers(delta(`"content":"${' '.repeat(MB)}"`) + delta('"content":" "').repeat(20_000) + DONE, STORED),
  ],
  'a response that begins with blanks without end': [
    200,
    () => asResponse(delta(`"content":"${' '.repeat(MB)}"`) + delta('"content":" "').repeat(20_000) + DONE),
  ],
  'one event of 8 MB': [200, () => answers(delta(`"content":"${'a'.repeat(8 * MB)}"`) + DONE, STORED)],
  'an error event of 8 MB of objects': [
    200,
    () => answers(`event: error\ndata: [${'{},'.repeat(2_600_000)}0]\n\n${DONE}`, STORED),
  ],
  'a message of 15 MB to be stored': [
    413,
    () => chat({ store: true, messages: [{ role: 'user', content: 'a '.repeat(7 * MB) }] }),
  ],
  '18 MB of UTF-8 with a wrong byte at the end': [
    400,
    () =>
      post('/v1/chat/completions', Buffer.concat([Buffer.from(`{"x":"${'é'.repeat(9 * MB)}`), Buffer.from([0xff])])),
  ],
  'an answer of 20,000 calls': [
    200,
    () => answers(Array.from({ length: 20_000 }, (_, at) => delta(callAt(at))).join('') + DONE, STORED),
  ],
  '8,000 calls as a response': [
    200,
    () => {
      says({
        tool_calls: Array.from({ length: 8_000 }, (_, at) => ({
          id: `c${at}`,
          function: { name: 'f', arguments: '{}' },
        })),
      });
      return post('/v1/responses', JSON.stringify({ model: 'chat', input: 'Hi' }));
    },
  ],
  '5 MB of small events as a response': [200, () => asResponse(delta('"content":"a"').repeat(100_000) + DONE)],
  'the last events of a response of 8 MB': [200, () => asResponse(delta(`"content":"${'a'.repeat(8 * MB)}"`) + DONE)],
  'the last events of a response with the probabilities of 10,000 tokens': [
    200,
    () => {
      const likely = { token: 'a', logprob: -0.5, bytes: [97] };
      const content = Array(100).fill({ ...likely, top_logprobs: Array(20).fill(likely) });
      const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'a' }, logprobs: { content } }] })}\n\n`;
      return asResponse(event.repeat(100) + DONE);
    },
  ],
  'an upstream of 3 MB of ids': [200, () => answers('id:\n\n'.repeat(700_000) + DONE, CALLER)],
  'an upstream of 3 MB of carriage returns': [200, () => answers('\r'.repeat(3 * MB) + DONE, CALLER)],
  'empty lines without an end before an answer': [502, () => endlessly('\r\n')],
  'line feeds without an end before an answer': [502, () => endlessly('\n')],
  'a status line without an end': [502, () => endlessly('HTTP/1.1 200 ')],
  'an upgrade that nobody asked for': [502, () => endlessly('HTTP/1.1 101 Switching Protocols\r\n\r\n')],
  'another protocol without an end': [502, () => endlessly('SSH-2.0-x\r\n', STORED)],
  'interim answers without an end': [502, () => endlessly('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n')],
});
