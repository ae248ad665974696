/** What the routes of `/v1` take and answer, for the OpenAPI document. OpenAI's reference describes all members. */
import { Type as t } from '@sinclair/typebox';
import { anything, flag, named, nullable, type OperationGroup, oneOf, seconds, text, whole } from '../web/operation';

/** Clients send members that only the agent knows. */
const open = { additionalProperties: true } as const;
const chatMessage = t.Object(
  {
    role: t.String({ description: 'system, developer, user, assistant or tool' }),
    content: t.Optional(nullable(t.Union([text, t.Array(anything)]))),
  },
  open,
);
const chatRequest = t.Object(
  { model: text, messages: t.Array(chatMessage), stream: t.Optional(flag), user: t.Optional(text) },
  { ...open, $id: 'ChatRequest' },
);
const usage = t.Object({ prompt_tokens: whole, completion_tokens: whole, total_tokens: whole }, open);
const completion = t.Object(
  {
    id: text,
    object: t.Literal('chat.completion'),
    created: seconds,
    model: text,
    choices: t.Array(t.Object({ index: whole, message: chatMessage, finish_reason: nullable(text) }, open)),
    usage: t.Optional(usage),
  },
  { ...open, $id: 'ChatCompletion' },
);
const chunk = t.Object(
  {
    id: text,
    object: t.Literal('chat.completion.chunk'),
    created: seconds,
    model: text,
    choices: t.Array(t.Object({ index: whole, delta: anything, finish_reason: t.Optional(nullable(text)) }, open)),
  },
  { ...open, $id: 'ChatCompletionChunk' },
);
const responseRequest = t.Object(
  {
    model: t.Optional(text),
    input: t.Union([text, t.Array(anything)]),
    instructions: t.Optional(text),
    previous_response_id: t.Optional(text),
    store: t.Optional(flag),
    stream: t.Optional(flag),
  },
  { ...open, $id: 'ResponseRequest' },
);
const response = t.Object(
  {
    id: text,
    object: t.Literal('response'),
    created_at: seconds,
    status: oneOf('in_progress', 'completed', 'incomplete', 'failed'),
    model: nullable(text),
    output: t.Array(anything),
    error: nullable(t.Object({ code: text, message: text })),
    store: flag,
  },
  { ...open, $id: 'Response' },
);
const model = named('Model', {
  id: text,
  object: t.Literal('model'),
  created: seconds,
  owned_by: text,
  root: t.String({ description: 'The backend' }),
  running: flag,
  display_name: t.Optional(text),
  context_window: t.Optional(whole),
  max_tokens: t.Optional(whole),
});
const items = named('InputItems', {
  object: t.Literal('list'),
  data: t.Array(anything),
  first_id: nullable(text),
  last_id: nullable(text),
  has_more: flag,
});

const parameters = { id: 'resp_b1946ac92492d2347c6235b4' };
const none = { 404: 'No such response is stored' };
const refusals = {
  400: 'The agent, or the LLM behind it, does not take the request',
  404: 'No agent serves the model, or there is no such conversation',
  422: 'Credentials of the LLM are missing',
  429: 'A limit of the key, of the user, or of the LLM; see Retry-After',
  502: 'The agent could not be started, or ended',
  503: 'The backend is switched off, or its platform does not answer',
  504: 'The agent was silent for too long',
};

export const openaiOperations: OperationGroup = {
  name: 'OpenAI',
  about:
    "OpenAI's API: its own reference describes all members, and an agent may know others. A backend may list more paths in its entry.",
  access: 'v1',
  words: {
    id: 'Id of a response',
    model: 'Name of a backend, one of its models, or `@` and the name of one of your agents',
    limit: '1 to 100; 20 if absent',
    order: '`asc` or `desc`',
    after: 'Id of the item before',
  },
  operations: {
    'GET /v1/models': {
      summary: 'The models: the agents that you may ask',
      answer: { json: t.Object({ object: t.Literal('list'), data: t.Array(model) }) },
    },
    'GET /v1/models/{model}': {
      summary: 'One model',
      example: { parameters: { model: 'helper' } },
      answer: { json: model },
      refusals: { 404: 'No agent serves the model' },
    },
    'POST /v1/chat/completions': {
      summary: 'Ask an agent',
      more: 'With `stream` the answer is events, the last of them `[DONE]`. With `"user": "agstack-<id>"` both sides are stored in that conversation.',
      takes: { media: 'application/json', schema: chatRequest },
      example: { body: { model: 'helper', messages: [{ role: 'user', content: 'Hello!' }] } },
      answer: { json: completion, events: chunk },
      refusals,
    },
    'POST /v1/responses': {
      summary: 'Ask an agent, by the newer API',
      takes: { media: 'application/json', schema: responseRequest },
      example: { body: { model: 'helper', input: 'Hello!', store: true } },
      answer: { json: response, events: t.Object({ type: text }, open) },
      refusals,
    },
    'GET /v1/responses/{id}': {
      summary: 'A stored response',
      more: 'It cannot be streamed again.',
      example: { parameters },
      answer: { json: response },
      refusals: none,
    },
    'GET /v1/responses/{id}/input_items': {
      summary: 'What a stored response answers',
      example: { parameters },
      answer: { json: items },
      refusals: { ...none, 400: 'A parameter has another form' },
    },
    'DELETE /v1/responses/{id}': {
      summary: 'Delete a stored response',
      example: { parameters },
      answer: { json: t.Object({ id: text, object: t.Literal('response'), deleted: flag }) },
      refusals: none,
    },
  },
};
