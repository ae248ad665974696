/** Reads the text of a `backends.json`, and lists every problem in it. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { isJsonObject, parseJson, whyNotJson } from '../lib/json';
import { schemaProblems, withDefaults } from '../lib/schema-check';
import { type Entry, entrySchema } from './schema';

const fileSchema = Type.Array(entrySchema, { minItems: 1 });

/**
 * Variables that the router or a driver sets, or that change how a program is loaded: a user's value would break
 * isolation or have no effect.
 */
const RESERVED =
  /^(AGENT_.*|PATH|HOME|HOST|PORT|USER|SHELL|IFS|ENV|BASH_ENV|LD_.*|DYLD_.*|GCONV_PATH|BUN_.*|NODE_(OPTIONS|PATH)|PYTHON(PATH|HOME|STARTUP)|PERL5?(LIB|OPT)|RUBY(LIB|OPT)|JAVA_TOOL_OPTIONS)$/;

/** The variables of the broker, which only `user_overridable_env` may list. */
const UPSTREAM = /^LLM_(BASE_URL|API_KEY|MODEL)$/;

/** The variables that a value may contain as `${name}`, by member. */
const variablesOf = {
  cmd: ['BACKENDS_DIR'],
  headers: ['conversation', 'session', 'work', 'user', 'agent'],
  session_body: ['conversation', 'session', 'user', 'agent'],
} as const;

/**
 * Reads the text of a `backends.json`. A problem is a line such as `backends.json/0/internal_port: expected integer to
 * be greater or equal to 1 (got 0)`, where `label` names the file.
 */
export function parseEntries(label: string, json: string): { entries: readonly Entry[]; problems: readonly string[] } {
  let file: unknown;
  try {
    file = parseJson(json);
  } catch (error) {
    return { entries: [], problems: [`${label} ${whyNotJson(error, json)}`] };
  }
  const filled = Array.isArray(file) ? file.map((entry) => withDefaults(entrySchema, withoutNulls(entry))) : file;
  const problems = schemaProblems(label, fileSchema, filled);
  const entries: Entry[] = [];
  const isFine = problems.length === 0;
  for (const [index, entry] of (Array.isArray(filled) ? filled : []).entries()) {
    if (!isFine && !Value.Check(entrySchema, entry)) continue;
    const place = `${label}/${index}`;
    problems.push(...variableProblems(place, entry), ...reservedProblems(place, entry));
    problems.push(...instructionsProblems(place, entry), ...reasoningProblems(place, entry));
    problems.push(...collisions(place, entry, entries));
    entries.push(entry);
  }
  return { entries, problems };
}

/** The predecessor wrote null for "not set". */
function withoutNulls(entry: unknown): unknown {
  if (!isJsonObject(entry)) return entry;
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null));
}

function variableProblems(path: string, entry: Entry): string[] {
  return Object.entries(variablesOf).flatMap(([member, known]: [string, readonly string[]]) =>
    Object.entries(entry[member as keyof typeof variablesOf]).flatMap(([key, value]) =>
      [...value.matchAll(/\$\{([^}]*)\}/g)]
        .filter(([, name = '']) => !known.includes(name))
        .map(([variable]) => {
          const allowed = known.map((name) => `\${${name}}`).join(', ');
          return `${path}/${member}/${key}: expected no variable but ${allowed} (got ${variable})`;
        }),
    ),
  );
}

function reservedProblems(path: string, entry: Entry): string[] {
  return [...reservedIn(path, 'user_overridable_env', entry), ...reservedIn(path, 'agent_env', entry)];
}

function reservedIn(path: string, member: 'user_overridable_env' | 'agent_env', entry: Entry): string[] {
  const { api_key_env: accessKey, user_overridable_env: ofUsers } = entry;
  return entry[member].flatMap((name, index) => {
    const place = `${path}/${member}/${index}`;
    if (member === 'agent_env' && (ofUsers.includes(name) || UPSTREAM.test(name))) {
      return [`${place}: expected a variable that is not for user_overridable_env (got "${name}")`];
    }
    if (name === accessKey) {
      return [`${place}: expected another variable than api_key_env, which the router sets (got "${name}")`];
    }
    if (!RESERVED.test(name)) return [];
    return [`${place}: expected a variable that neither the router nor the system sets or obeys (got "${name}")`];
  });
}

/** Only a file that is written at each start can go back to what the seed says. */
function instructionsProblems(path: string, { instructions_file: file, templated_files: files }: Entry): string[] {
  if (file === undefined || files.includes(file)) return [];
  return [`${path}/instructions_file: expected one of templated_files (got "${file}")`];
}

/** A runtime that remembers what was said has its own thoughts, too. */
function reasoningProblems(path: string, { history, history_reasoning: member }: Entry): string[] {
  if (member === undefined || history === 'full') return [];
  return [`${path}/history_reasoning: expected no member unless history is "full" (got "${member}")`];
}

/** Model ids that would match both `entry` and an earlier entry. */
function collisions(path: string, entry: Entry, earlier: readonly Entry[]): string[] {
  const claimed = (other: Entry, model: string) =>
    model === other.name || model.startsWith(`${other.name}/`) || other.extra_models.includes(model);
  return earlier.flatMap((other) => {
    if (entry.name === other.name) return [`${path}/name: expected a name of its own (got "${entry.name}" again)`];
    const taken = [entry.name, ...entry.extra_models].filter((model) => claimed(other, model));
    const stolen = other.extra_models.filter((model) => model.startsWith(`${entry.name}/`));
    return [...taken, ...stolen].map((model) => `${path}: model "${model}" belongs to "${other.name}" already`);
  });
}
