/** What the routes of schedules answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { flag, named, nullable, type OperationGroup, seconds, text, whole } from '../web/operation';

const schedule = named('Schedule', {
  id: text,
  agent_id: text,
  when: t.String({ description: 'A cron expression of five fields' }),
  time_zone: text,
  text,
  conversation_id: nullable(text),
  paused: flag,
  next_at: nullable(seconds),
  created_at: seconds,
  last_at: nullable(seconds),
  last_conversation_id: nullable(text),
  last_problem: nullable(t.String({ description: 'Why the agent could not be asked the last time' })),
});
const answer = { json: t.Object({ schedule }) };
const list = { json: t.Object({ schedules: t.Array(schedule), max: whole }) };

const ofAgent = { parameters: { id: 'b1946ac92492d2347c6235b4' } };
const parameters = { id: '6b1e9cd1ee1df1f2c9b1f3ad' };
const none = { 404: 'You have no such schedule' };
const invalid = { 422: 'A member is invalid: `fields` says which' };

export const schedulesOperations: OperationGroup = {
  name: 'Schedules',
  about: 'Times at which an agent is woken and asked by itself. Its answer is stored, and unread.',
  access: 'session',
  words: {
    id: 'Id of one of your schedules',
    when: 'A cron expression of five fields, or words such as `every weekday at 8`, `every monday and friday at 17:30`, `every hour`',
    time_zone: 'A name of the IANA database, such as `Europe/Berlin`; UTC by default',
    text: 'What the agent is asked',
    conversation_id: 'Where the answers go; absent or empty: each begins a conversation',
    paused: 'While it is paused nothing is asked, and nothing is made up for later',
  },
  operations: {
    'GET /api/schedules': {
      summary: 'List your schedules',
      more: '`max` is how many you may have.',
      answer: list,
    },
    'GET /api/agents/{id}/schedules': {
      summary: 'List the schedules of an agent',
      about: { id: 'Id of one of your agents' },
      example: ofAgent,
      answer: list,
      refusals: { 404: 'You have no such agent' },
    },
    'POST /api/agents/{id}/schedules': {
      summary: 'Make a schedule',
      about: { id: 'Id of one of your agents' },
      example: {
        ...ofAgent,
        body: { when: 'every weekday at 8', time_zone: 'Europe/Berlin', text: 'What is on my calendar today?' },
      },
      answer,
      refusals: {
        ...invalid,
        404: 'You have no such agent, or the agent has no such conversation',
        409: 'You have as many as you may have',
      },
    },
    'GET /api/schedules/{id}': { summary: 'One schedule', example: { parameters }, answer, refusals: none },
    'PATCH /api/schedules/{id}': {
      summary: 'Change, pause or resume a schedule',
      example: { parameters, body: { paused: true } },
      answer,
      refusals: { ...none, ...invalid },
    },
    'DELETE /api/schedules/{id}': { summary: 'Delete a schedule', example: { parameters }, refusals: none },
    'POST /api/schedules/{id}/run': {
      summary: 'Ask now',
      more: 'The next time stays. The answer is being written when this returns.',
      example: { parameters },
      answer: { json: t.Object({ conversation_id: text, message_id: text }) },
      refusals: { ...none, 409: 'An answer is being written in its conversation' },
    },
  },
};
