/** What the routes of the files of homes answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { flag, named, nullable, type OperationGroup, oneOf, seconds, text, whole } from '../web/operation';

const entry = named('Entry', {
  name: text,
  kind: oneOf('folder', 'file', 'other'),
  bytes: whole,
  changed_at: seconds,
});
const agent = 'b1946ac92492d2347c6235b4';
const inHome = (path: string) => ({ parameters: { id: agent, path } });
const gone = { 404: 'There is no such agent, folder or file' };
const notOpened = { ...gone, 409: 'A link or a special file, which nothing opens' };

export const fileOperations: OperationGroup = {
  name: 'Files',
  about: "The files of an agent's home. Nothing opens links and special files, or follows them.",
  access: 'session',
  words: {
    id: 'Id of one of your agents',
    path: 'Path in the home, such as `notes/today.md`; the home itself if absent',
    show: 'With it a picture has its own type; otherwise every file is an attachment',
    replace: 'With it a file that is there is replaced',
  },
  operations: {
    'PUT /api/agents/{id}/files/content': {
      summary: 'Upload a file',
      example: inHome('report.txt'),
      takes: { media: 'application/octet-stream' },
      refusals: { ...gone, 409: 'There is such a file, and `replace` is missing', 413: 'Longer than MAX_BODY_BYTES' },
    },
    'GET /api/agents/{id}/files': {
      summary: 'The entries of a folder',
      more: 'At most 1,000. `more` is the number of others, or null for too many to count.',
      example: inHome(''),
      answer: { json: t.Object({ entries: t.Array(entry), more: nullable(whole) }) },
      refusals: notOpened,
    },
    'GET /api/agents/{id}/files/content': {
      summary: 'Download a file',
      example: inHome('report.txt'),
      answer: { files: ['application/octet-stream'] },
      refusals: notOpened,
    },
    'GET /api/agents/{id}/files/archive': {
      summary: 'Download a folder as .tar.gz',
      more: 'Without links and special files.',
      example: inHome(''),
      answer: { files: ['application/gzip'] },
      refusals: { ...gone, 413: 'More than 1 GB or 20,000 entries' },
    },
    'GET /api/agents/{id}/files/size': {
      summary: 'The size of a folder',
      more: '`complete` is false where not everything was counted.',
      example: inHome(''),
      answer: { json: t.Object({ bytes: whole, files: whole, complete: flag }) },
      refusals: gone,
    },
  },
};
