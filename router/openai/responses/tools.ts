/**
 * Tools of `/v1/responses` where the agent is asked over chat, which has functions only. Members of a namespace become
 * functions under a name that has both in it; what an agent cannot do at all is left out of what it is told.
 */
import type { JsonBody } from '../../backends/shape';
import { invalid, record, unsupported, wordOf } from './faults';

/** What OpenAI allows for the name of a function. */
const NAME_LENGTH_MAX = 64;

/** A function as the client knows it. */
export interface ToolName {
  readonly name: string;
  readonly namespace?: string;
}

/** The functions of a request, by the names that they have in chat. */
export type ToolNames = ReadonlyMap<string, ToolName>;

/** What is said of tools in a chat request. Throws `invalid_request` where a request insists on what there is not. */
export function toolOptions({ tools, tool_choice: choice, parallel_tool_calls: parallel }: JsonBody): JsonBody {
  const functions = functionsOf(tools);
  const allowed = allowedOf(choice, tools);
  const told = [...functions].filter(([name]) => allowed?.has(name) ?? true).map(([, told]) => told);
  const chosen = toolChoiceOf(choice, functions);
  if (told.length === 0) {
    if (chosen === 'required') throw unsupported('tool_choice', chosen, 'No tool of the request can be called here.');
    // Upstreams refuse what is said about tools where there are none.
    return {};
  }
  return {
    tools: told,
    ...(chosen !== undefined && { tool_choice: chosen }),
    ...(parallel != null && { parallel_tool_calls: parallel }),
  };
}

/** By their names in chat, the functions of namespaces that the client may call. For a body that may be malformed. */
export function toolNames({ tools }: JsonBody): ToolNames {
  const members = (Array.isArray(tools) ? tools : []).flatMap((tool) => membersOf(record(tool)));
  return new Map(members.map(({ name, namespace }) => [chatName(name, namespace), { name, namespace }]));
}

/** The name that a function has in chat. The same for the same, so that calls of earlier turns have it too. */
export function chatName(name: string, namespace: unknown): string {
  if (typeof namespace !== 'string' || namespace === '') return name;
  const plain = `${namespace}${namespace.endsWith('__') ? '' : '__'}${name}`.replace(/[^\w-]/g, '_');
  if (plain.length <= NAME_LENGTH_MAX) return plain;
  // A name that is cut is told from others by its hash.
  const hash = Bun.hash(`${namespace}\n${name}`).toString(36).slice(0, 8);
  return `${plain.slice(0, NAME_LENGTH_MAX - hash.length - 1)}_${hash}`;
}

/** By their names in chat. What is no function is left out: the agent does not learn of it. */
function functionsOf(tools: unknown): ReadonlyMap<string, JsonBody> {
  if (tools == null) return new Map();
  if (!Array.isArray(tools)) throw invalid('tools', 'must be a list.');
  const functions = tools.flatMap((value, index) => {
    const tool = record(value);
    if (typeof tool?.type !== 'string') throw invalid(`tools[${index}]`, 'must be an object with a type.');
    return tool.type === 'function' ? [functionOf(tool, tool.name)] : membersOf(tool).map(memberOf);
  });
  return new Map(functions.map((one) => [wordOf(one.function.name), one]));
}

function memberOf({ tool, name, namespace }: ReturnType<typeof membersOf>[number]) {
  return functionOf(tool, chatName(name, namespace));
}

function functionOf({ description, parameters, strict }: JsonBody, name: unknown) {
  const given = Object.entries({ description, parameters, strict }).filter(([, member]) => member != null);
  return { type: 'function', function: { name, ...Object.fromEntries(given) } };
}

/** The functions of a namespace. */
function membersOf(tool: JsonBody | undefined) {
  const { type, name: namespace, tools } = tool ?? {};
  if (type !== 'namespace' || typeof namespace !== 'string' || !Array.isArray(tools)) return [];
  return tools.map(record).flatMap((member) => {
    const isFunction = member?.type === 'function' && typeof member.name === 'string';
    return isFunction ? [{ tool: member, name: wordOf(member.name), namespace }] : [];
  });
}

/** Throws where the request insists on a tool that no agent has here. */
function toolChoiceOf(choice: unknown, functions: ReadonlyMap<string, JsonBody>): unknown {
  if (choice == null) return undefined;
  if (typeof choice === 'string') return choice;
  const { type, name, namespace, mode } = record(choice) ?? {};
  if (type === 'allowed_tools') return mode ?? 'auto';
  if (type !== 'function') throw unsupported('tool_choice.type', type);
  const named = chatName(wordOf(name), namespace);
  if (!functions.has(named)) throw invalid('tool_choice', `names no function of "tools": ${named.slice(0, 80)}.`);
  return { type, function: { name: named } };
}

/** The names in chat of the only tools that may be called, where a request names them. */
function allowedOf(choice: unknown, tools: unknown): ReadonlySet<string> | undefined {
  const { type, tools: only } = record(choice) ?? {};
  if (type !== 'allowed_tools' || !Array.isArray(only)) return undefined;
  const members = (Array.isArray(tools) ? tools : []).flatMap((tool) => membersOf(record(tool)));
  return new Set(
    only.map(record).flatMap((tool) => {
      if (tool?.type === 'function') return [chatName(wordOf(tool.name), tool.namespace)];
      const own = members.filter(({ namespace }) => tool?.type === 'namespace' && namespace === tool.name);
      return own.map(({ name, namespace }) => chatName(name, namespace));
    }),
  );
}
