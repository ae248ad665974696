/** What the routes of credentials answer, for the OpenAPI document. */
import { Type as t } from '@sinclair/typebox';
import { each, flag, named, type OperationGroup, ok, oneOf, text, texts } from '../web/operation';

const credentials = named('Credentials', {
  vars: texts,
  backends: each(texts),
  admin_shared: each(flag),
  admin_shared_present: each(flag),
  overrides: each(each(text)),
  effective: each(each(t.Object({ source: oneOf('backend', 'global', 'shared', 'unset'), masked: text }))),
});
const unknown = { 400: 'Not a variable that users may set, or a value that cannot be used', 404: 'No such backend' };
const name = 'LLM_MODEL';

export const credentialOperations: OperationGroup = {
  name: 'Credentials',
  about:
    'What your agents call their LLM with: for one backend, for all of them (the scope ""), or shared by the administrator. Secrets are masked.',
  access: 'manage',
  words: {
    name: 'Name of a variable, such as `LLM_API_KEY`',
    value: 'An empty value removes it',
    values: 'Variable → value',
    backend: 'Name of a backend; all of them if absent or empty',
  },
  operations: {
    'GET /api/me/env-overrides': {
      summary: 'Your credentials, and which apply where',
      answer: { json: credentials },
    },
    'PUT /api/me/env-overrides': {
      summary: 'Set several variables, all or none',
      example: { body: { values: { LLM_MODEL: 'gpt-5-mini' }, backend: '' } },
      answer: { json: t.Object({ ok: flag, set: each(flag) }) },
      refusals: unknown,
    },
    'PUT /api/me/env-overrides/{name}': {
      summary: 'Set a variable',
      example: { parameters: { name }, body: { value: 'gpt-5-mini', backend: 'helper' } },
      answer: { json: t.Object({ ok: flag, set: flag }) },
      refusals: unknown,
    },
    'DELETE /api/me/env-overrides/{name}': {
      summary: 'Remove a variable',
      example: { parameters: { name, backend: 'helper' } },
      answer: ok,
      refusals: unknown,
    },
  },
};

export const sharingOperations: OperationGroup = {
  name: 'Administration: sharing',
  about: 'The values that the administrator has for all backends may be used by everybody without own ones.',
  access: 'admin',
  words: { name: 'Name of a variable', shared: 'Whether users without an own value use that of the administrator' },
  operations: {
    'GET /api/admin/shared-env': {
      summary: 'Which variables are shared',
      answer: { json: t.Object({ vars: texts, shared: each(flag), admin_has_value: each(flag) }) },
    },
    'PUT /api/admin/shared-env/{name}': {
      summary: 'Share a variable, or stop sharing it',
      example: { parameters: { name }, body: { shared: true } },
      answer: { json: t.Object({ ok: flag, shared: flag }) },
      refusals: { 400: 'Not a variable that users may set' },
    },
  },
};
