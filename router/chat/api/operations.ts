/** What the routes of conversations answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { anything, flag, named, type OperationGroup, oneOf, seconds, text, whole } from '../../web/operation';

const conversation = named('Conversation', {
  id: text,
  backend: text,
  model: text,
  agent_id: text,
  title: text,
  created_at: seconds,
  updated_at: seconds,
  message_count: whole,
  seq: t.Integer({ description: "Its place among the user's conversations with the backend, by their creation" }),
  pinned: flag,
  archived: flag,
  unsaved: t.Boolean({ description: 'Its newest turn is not stored as a whole yet, because the database refuses it' }),
});
const failure = named('Failure', { code: text, message: text, hint: t.Optional(text) });
const status = oneOf('done', 'streaming', 'stopped', 'failed');
const incomplete = {
  ...oneOf('length', 'content_filter'),
  description: 'Why the model ended an answer that is `done` before it was whole',
};
const attachment = named('Attachment', { id: text, name: text, type: text, bytes: whole, url: text });
const messageMembers = {
  id: text,
  role: oneOf('user', 'assistant', 'notice', 'error'),
  content: text,
  created_at: seconds,
  status,
  failure: t.Optional(failure),
  incomplete: t.Optional(incomplete),
  attachments: t.Optional(t.Array(attachment)),
  extra: t.Optional(anything),
};
const message = named('Message', messageMembers);
const whatWasSaid = { json: t.Object({ conversation, messages: t.Array(message) }) };
const oneConversation = { json: t.Object({ conversation }) };
const event = t.Union([
  t.Object({ kind: t.Literal('hello') }),
  t.Object({
    kind: t.Literal('message'),
    payload: t.Object({ ...messageMembers, conversation_id: text, agent_id: t.Optional(text) }),
  }),
  t.Object({
    kind: t.Literal('runner_status'),
    payload: t.Object({
      agent_id: text,
      backend: text,
      running: flag,
      container_name: t.Optional(text),
      ts: seconds,
    }),
  }),
  t.Object({
    kind: t.String({ description: "Also the agent's own: a name with a dot", pattern: '\\.' }),
    payload: t.Optional(anything),
  }),
]);
const call = t.Object({
  id: text,
  name: text,
  namespace: t.Optional(text),
  arguments: text,
  textLengthBefore: whole,
  more: t.Optional(t.Object({}, { additionalProperties: true })),
});
const step = t.Object({
  kind: oneOf('thought', 'tool'),
  text: t.Optional(t.String({ description: 'Of a thought' })),
  isTagged: t.Optional(t.Literal(true)),
  textLengthBefore: t.Optional(whole),
  callsBefore: t.Optional(whole),
  name: t.Optional(t.String({ description: 'Of a tool' })),
  arguments: t.Optional(text),
  result: t.Optional(text),
  isEnded: t.Optional(t.Literal(true)),
  isFailed: t.Optional(t.Literal(true)),
  tookMs: t.Optional(whole),
});
const file = named('ConversationFile', {
  format: t.Literal('agent-stack.conversation'),
  version: t.Literal(1),
  title: t.Optional(text),
  backend: t.Optional(text),
  model: t.Optional(text),
  created_at: t.Optional(t.Number({ description: 'Seconds since 1970' })),
  messages: t.Array(
    t.Object({
      role: oneOf('user', 'assistant', 'notice'),
      content: text,
      created_at: t.Optional(t.Number({ description: 'Seconds since 1970' })),
      status: t.Optional(oneOf('done', 'stopped', 'failed')),
      failure: t.Optional(failure),
      incomplete: t.Optional(incomplete),
      calls: t.Optional(t.Array(call)),
      results: t.Optional(t.Array(t.Object({ callId: text, output: text }))),
      steps: t.Optional(t.Array(step, { description: 'What the agent did before the text' })),
      follows: t.Optional(
        t.Integer({
          description: 'Number of the message before this one, from 1; absent: the one above it in the file',
        }),
      ),
      hidden: t.Optional(t.Boolean({ description: 'Whether another variant of it is shown' })),
      attachments: t.Optional(
        t.Array(t.Object({ id: text, name: text, type: text, data: t.String({ description: 'The bytes in base64' }) })),
      ),
      missing_files: t.Optional(
        t.Array(t.Object({ id: text, name: text, type: text }), {
          description: 'Attached files that could not be read; an import goes without them',
        }),
      ),
    }),
  ),
});

const id = 'b1946ac92492d2347c6235b4';
const parameters = { id };
const none = { 404: 'You have no such conversation' };

export const conversationOperations: OperationGroup = {
  name: 'Conversations',
  about:
    'To have an answer written, send `POST /v1/chat/completions` with `"user": "agstack-<id>"`: both sides are stored.',
  access: 'agents',
  words: {
    id: 'Id of one of your conversations',
    backend: 'Name of a backend: its default agent',
    agent_id: 'Id of one of your agents; goes before `backend`',
    model: 'What the conversation is labelled with; that of the agent if absent',
    title: 'Cut to 200 characters',
    limit: 'At most so many; 1,000 if absent',
    before: 'Id of a conversation: only those after it in the list',
    messageId: 'Id of a message that stays',
    role: '`user`, `assistant` or `error`',
    content: 'At most 200,000 characters',
    attachments: 'Ids of files that were uploaded for it',
    name: 'Name of the file',
    seq: 'The number of the conversation among those with the backend',
    format: '`json` or `markdown`',
  },
  operations: {
    'POST /api/conversations': {
      summary: 'Begin a conversation',
      example: { body: { backend: 'helper' } },
      answer: oneConversation,
      refusals: { 400: 'An unknown backend, or neither a backend nor an agent', 404: 'You have no such agent' },
    },
    'POST /api/conversations/{id}/messages': {
      summary: 'Store a message',
      more: 'The first text of a user is the title if there is none. A text that is there as the newest of its kind is stored once.',
      example: { parameters, body: { role: 'user', content: 'Hello!' } },
      answer: { json: t.Object({ message }) },
      refusals: { ...none, 400: 'Another role', 409: 'An answer is being written' },
    },
    'POST /api/conversations/{id}/attachments': {
      summary: 'Upload a file for a message',
      more: 'A picture (PNG, JPEG, GIF, WebP) or text, by its content. Without a message it goes after a day.',
      example: { parameters: { id, name: 'report.txt' } },
      takes: { media: 'application/octet-stream' },
      answer: { json: t.Object({ attachment }) },
      refusals: { ...none, 400: 'It is empty, or too many wait', 413: 'Too long', 415: 'Neither a picture nor text' },
    },
    'GET /api/attachments/{id}': {
      summary: 'A file of a message',
      about: { id: 'Id of the file' },
      example: { parameters },
      answer: { files: ['text/plain', 'image/png', 'image/jpeg', 'image/gif', 'image/webp'] },
      refusals: { 404: 'You have no such file' },
    },
    'GET /api/conversations': {
      summary: 'Your conversations, last changed first',
      example: { parameters: { limit: 20 } },
      answer: { json: t.Object({ conversations: t.Array(conversation), has_more: flag }) },
    },
    'GET /api/conversations/{id}': {
      summary: 'A conversation with all its messages',
      example: { parameters },
      answer: whatWasSaid,
      refusals: none,
    },
    'GET /api/conversations/by-slug/{backend}/{seq}': {
      summary: 'A conversation by its number',
      example: { parameters: { backend: 'helper', seq: 1 } },
      answer: whatWasSaid,
      refusals: none,
    },
    'GET /api/conversations/{id}/stream': {
      summary: 'Follow a conversation',
      more: 'Each message when it is whole. A client that sends the id of the last event as `Last-Event-ID` gets what it has missed.',
      example: { parameters },
      answer: { events: event },
      refusals: none,
    },
    'PATCH /api/conversations/{id}': {
      summary: 'Rename, pin or archive a conversation',
      about: {
        pinned: 'Above all others; takes it out of the archive',
        archived: 'Out of the list, until a message is sent; takes the pin away',
      },
      example: { parameters, body: { title: 'Greetings', pinned: true } },
      answer: oneConversation,
      refusals: { ...none, 400: 'Pinned and archived at once', 409: '30 are pinned' },
    },
    'GET /api/conversations/{id}/export': {
      summary: 'A conversation as a file',
      example: { parameters: { id, format: 'json' } },
      answer: { json: file, files: ['text/markdown'] },
      refusals: none,
    },
    'POST /api/conversations/import': {
      summary: 'Make a conversation of a file',
      more: 'At most 10,000 messages, and 4 MiB without the data of attachments.',
      takes: { media: 'application/json', schema: file },
      example: {
        parameters: { backend: 'helper' },
        body: {
          format: 'agent-stack.conversation',
          version: 1,
          title: 'From elsewhere',
          messages: [
            { role: 'user', content: 'Hello!' },
            { role: 'assistant', content: 'How can I help?' },
          ],
        },
      },
      answer: oneConversation,
      refusals: { 400: 'What is wrong in the file, with the places', 404: 'You have no such agent', 413: 'Too long' },
    },
    'DELETE /api/conversations/{id}/messages/after/{messageId}': {
      summary: 'Delete all messages after one',
      more: 'Stops an answer that is being written.',
      example: { parameters: { id, messageId: 'c157a79031e1c40f85931829' } },
      refusals: none,
    },
    'DELETE /api/conversations/{id}': {
      summary: 'Delete a conversation',
      more: 'Stops an answer that is being written.',
      example: { parameters },
      refusals: none,
    },
  },
};
