/**
 * Translates tools of `/v1/responses` to chat, which has only functions. Members of a namespace become functions whose
 * names combine both. Tools that no agent has are left out.
 */
import type { JsonBody } from '../../backends/shape';
import { stringOf } from '../../lib/json';
import { invalid, record, unsupported } from './faults';

/** OpenAI's rule for the name of a function. */
const NAME_LENGTH_MAX = 64;

/** A function by its names in the client's request. */
interface ToolName {
  readonly name: string;
  readonly namespace?: string;
}

/** Name in chat → function of the request. */
export type ToolNames = ReadonlyMap<string, ToolName>;

/**
 * Returns the members about tools of a chat request. Throws `invalid_request` if the request requires a tool that does
 * not exist.
 */
export function toolOptions({ tools, tool_choice: choice, parallel_tool_calls: parallel }: JsonBody): JsonBody {
  const functions = functionsOf(tools);
  const allowed = allowedOf(choice, tools);
  const told = [...functions].filter(([name]) => allowed?.has(name) ?? true).map(([, told]) => told);
  const chosen = toolChoiceOf(choice, functions);
  if (told.length === 0) {
    if (chosen === 'required') throw unsupported('tool_choice', chosen, 'No tool of the request can be called here.');
    // Upstreams refuse members about tools if there are no tools.
    return {};
  }
  return {
    tools: told,
    ...(chosen !== undefined && { tool_choice: chosen }),
    ...(parallel != null && { parallel_tool_calls: parallel }),
  };
}

/** Name in chat → function of a namespace that the client may call. The body may be malformed. */
export function toolNames({ tools }: JsonBody): ToolNames {
  const members = (Array.isArray(tools) ? tools : []).flatMap((tool) => membersOf(record(tool)));
  return new Map(members.map(({ name, namespace }) => [chatName(name, namespace), { name, namespace }]));
}

/**
 * Returns the name of a function in chat. It is always the same for a function, so that calls of earlier turns match.
 */
export function chatName(name: string, namespace: unknown): string {
  if (typeof namespace !== 'string' || namespace === '') return name;
  const plain = `${namespace}${namespace.endsWith('__') ? '' : '__'}${name}`.replace(/[^\w-]/g, '_');
  if (plain.length <= NAME_LENGTH_MAX) return plain;
  // A hash keeps names distinct that are cut.
  const hash = Bun.hash(`${namespace}\n${name}`).toString(36).slice(0, 8);
  return `${plain.slice(0, NAME_LENGTH_MAX - hash.length - 1)}_${hash}`;
}

/** Name in chat → function. Other kinds of tools are left out, so the agent does not see them. */
function functionsOf(tools: unknown): ReadonlyMap<string, JsonBody> {
  if (tools == null) return new Map();
  if (!Array.isArray(tools)) throw invalid('tools', 'must be a list.');
  const functions = tools.flatMap((value, index) => {
    const tool = record(value);
    if (typeof tool?.type !== 'string') throw invalid(`tools[${index}]`, 'must be an object with a type.');
    return tool.type === 'function' ? [functionOf(tool, tool.name)] : membersOf(tool).map(memberOf);
  });
  return new Map(functions.map((one) => [stringOf(one.function.name), one]));
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
    return isFunction ? [{ tool: member, name: stringOf(member.name), namespace }] : [];
  });
}

/** Throws if the request requires a tool that no agent here has. */
function toolChoiceOf(choice: unknown, functions: ReadonlyMap<string, JsonBody>): unknown {
  if (choice == null) return undefined;
  if (typeof choice === 'string') return choice;
  const { type, name, namespace, mode } = record(choice) ?? {};
  if (type === 'allowed_tools') return mode ?? 'auto';
  if (type !== 'function') throw unsupported('tool_choice.type', type);
  const named = chatName(stringOf(name), namespace);
  if (!functions.has(named)) throw invalid('tool_choice', `names no function of "tools": ${named.slice(0, 80)}.`);
  return { type, function: { name: named } };
}

/** Names in chat of the only tools that may be called, if the request limits them. */
function allowedOf(choice: unknown, tools: unknown): ReadonlySet<string> | undefined {
  const { type, tools: only } = record(choice) ?? {};
  if (type !== 'allowed_tools' || !Array.isArray(only)) return undefined;
  const members = (Array.isArray(tools) ? tools : []).flatMap((tool) => membersOf(record(tool)));
  return new Set(
    only.map(record).flatMap((tool) => {
      if (tool?.type === 'function') return [chatName(stringOf(tool.name), tool.namespace)];
      const own = members.filter(({ namespace }) => tool?.type === 'namespace' && namespace === tool.name);
      return own.map(({ name, namespace }) => chatName(name, namespace));
    }),
  );
}
