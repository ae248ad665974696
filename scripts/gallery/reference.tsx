/** The gallery's pages of the API reference. */
import type { VNode } from 'preact';
import type { OperationView, ReferenceView } from '../../views/reference/models';
import { ReferenceGroupPage, ReferenceObjectsPage, ReferencePage } from '../../views/reference/page';

const members = [
  { name: 'agents', type: [{ text: 'list of' }, { text: 'Agent', object: 'Agent' }], isOptional: false },
  {
    name: 'agents[].a_member_with_a_long_name_that_breaks',
    type: [{ text: 'text or null' }],
    isOptional: true,
    about: 'Of `backends.json`',
  },
];
const operation = (id: string, method: string): OperationView => ({
  ...{
    id,
    method,
    path: '/api/agents/{id}/files/content',
    summary: 'Upload a file',
    more: 'With `replace` it is replaced.',
  },
  ...{ access: 'session', parameters: members.slice(1), body: { media: 'application/json', type: [], members } },
  answers:
    method === 'DELETE' ? [] : [{ media: 'application/json', type: [{ text: 'Agent', object: 'Agent' }], members: [] }],
  status: method === 'DELETE' ? '204' : '200',
  refusals: [{ status: '404', reason: 'You have no such agent' }],
  example: `curl -b jar "$BASE/api/agents" \\\n  -d '${JSON.stringify({ name: 'x'.repeat(200) })}'`,
});
const group = {
  id: 'agents',
  name: 'Agents',
  about: 'What `you` have.',
  operations: [operation('put', 'PUT'), operation('delete', 'DELETE')],
};
const reference: ReferenceView = {
  ...{ version: '1.2.3', about: 'Bodies are JSON.', groups: [group], objects: [{ name: 'Agent', members }] },
};

export const referencePages: Record<string, () => VNode> = {
  reference: () => <ReferencePage reference={reference} />,
  'reference-group': () => <ReferenceGroupPage reference={reference} group={group} />,
  'reference-objects': () => <ReferenceObjectsPage reference={reference} />,
};
