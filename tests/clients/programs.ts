/** The programs that people use with `/v1`: their packages, configuration and command lines. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** One run of a program, as its users run it. */
export interface Run {
  /** The router's base URL, ending in `/v1`. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly prompt: string;
  /** Whether it continues the conversation of the previous run. */
  readonly goesOn: boolean;
  /** Its home and its project, kept between runs. */
  readonly home: string;
  readonly project: string;
}

export interface Program {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly bin: string;
  /** Writes its configuration and returns the arguments to run it. */
  prepare(run: Run): Promise<readonly string[]>;
  readonly env?: (run: Run) => Readonly<Record<string, string>>;
  /** Rows of the table that do not apply to it, with the reasons. */
  readonly cannot?: Readonly<Record<string, string>>;
}

const write = async (path: string, text: string | object) => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof text === 'string' ? text : JSON.stringify(text, null, 2));
};
const CONTEXT = 128_000;
const OUTPUT = 16_384;

const codex = (name: string, more: (run: Run) => string, args: readonly string[] = []): Program => ({
  ...{ name, package: '@openai/codex', version: '0.171.0', bin: 'codex' },
  async prepare(run) {
    const { home, model, url, prompt, goesOn } = run;
    const config = `model = "${model}"
model_provider = "agent-stack"
model_context_window = ${CONTEXT}
check_for_update_on_startup = false

[model_providers.agent-stack]
name = "agent-stack"
base_url = "${url}"
env_key = "AGENT_STACK_KEY"
wire_api = "responses"

[analytics]
enabled = false
${more(run)}`;
    await write(join(home, '.codex', 'config.toml'), config);
    const always = ['--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', ...args];
    return goesOn ? ['exec', 'resume', '--last', ...always, prompt] : ['exec', ...always, prompt];
  },
  env: ({ home }) => ({ CODEX_HOME: join(home, '.codex') }),
});

export const PROGRAMS: readonly Program[] = [
  codex('Codex', () => ''),
  codex(
    'Codex with an MCP server',
    () => `
[mcp_servers.probe]
command = "${process.execPath}"
args = ["${join(import.meta.dir, 'probe.ts')}"]
default_tools_approval_mode = "approve"
`,
  ),
  {
    ...{ name: 'opencode', package: 'opencode-ai', version: '1.18.33', bin: 'opencode' },
    async prepare({ project, url, model, prompt, goesOn }) {
      const models = Object.fromEntries(
        [model, 'direct'].map((id) => [id, { name: id, limit: { context: CONTEXT, output: OUTPUT } }]),
      );
      await write(join(project, 'opencode.json'), {
        $schema: 'https://opencode.ai/config.json',
        provider: {
          'agent-stack': {
            npm: '@ai-sdk/openai-compatible',
            name: 'agent-stack',
            options: { baseURL: url, apiKey: '{env:AGENT_STACK_KEY}' },
            models,
          },
        },
        model: `agent-stack/${model}`,
        small_model: 'agent-stack/direct',
        share: 'disabled',
        autoupdate: false,
      });
      return ['run', '--auto', ...(goesOn ? ['--continue'] : []), prompt];
    },
    env: () => ({ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }),
  },
  {
    ...{ name: 'Qwen Code', package: '@qwen-code/qwen-code', version: '0.24.4', bin: 'qwen' },
    async prepare({ home, model, prompt, goesOn }) {
      await write(join(home, '.qwen', 'settings.json'), {
        security: { auth: { selectedType: 'openai' } },
        model: { name: model, generationConfig: { contextWindowSize: CONTEXT } },
        privacy: { usageStatisticsEnabled: false },
        general: { enableAutoUpdate: false },
      });
      return ['--yolo', ...(goesOn ? ['--continue'] : []), prompt];
    },
    env: ({ url, key, model }) => ({ OPENAI_BASE_URL: url, OPENAI_API_KEY: key, OPENAI_MODEL: model }),
  },
  {
    ...{ name: 'pi', package: '@mariozechner/pi-coding-agent', version: '0.73.1', bin: 'pi' },
    async prepare({ home, url, model, prompt, goesOn }) {
      const one = {
        id: model,
        name: model,
        reasoning: false,
        input: ['text'],
        contextWindow: CONTEXT,
        maxTokens: OUTPUT,
      };
      await write(join(home, '.pi', 'agent', 'models.json'), {
        providers: {
          'agent-stack': { baseUrl: url, api: 'openai-completions', apiKey: 'AGENT_STACK_KEY', models: [one] },
        },
      });
      return ['--print', '--provider', 'agent-stack', '--model', model, ...(goesOn ? ['--continue'] : []), prompt];
    },
    env: () => ({ PI_OFFLINE: '1', PI_SKIP_VERSION_CHECK: '1' }),
  },
  {
    ...{ name: 'cn', package: '@continuedev/cli', version: '1.5.47', bin: 'cn' },
    async prepare({ project, url, key, model, prompt, goesOn }) {
      const config = join(project, 'continue.yaml');
      await write(
        config,
        `name: agent-stack
version: 1.0.0
schema: v1
models:
  - name: ${model}
    provider: openai
    model: ${model}
    apiBase: ${url}
    apiKey: ${key}
    roles: [chat]
    capabilities: [tool_use]
    defaultCompletionOptions:
      contextLength: ${CONTEXT}
      maxTokens: ${OUTPUT}
`,
      );
      return ['--print', '--auto', '--config', config, ...(goesOn ? ['--resume'] : []), prompt];
    },
    env: () => ({ CONTINUE_TELEMETRY_ENABLED: '0', CONTINUE_ALLOW_ANONYMOUS_TELEMETRY: '0' }),
  },
  {
    // The last version that runs on Node 20.
    ...{ name: 'promptfoo', package: 'promptfoo', version: '0.121.20', bin: 'promptfoo' },
    async prepare({ project, url, model, prompt }) {
      const command = { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] };
      const tool = { type: 'function', function: { name: 'run_command', parameters: command } };
      await write(
        join(project, 'tools.cjs'),
        "exports.run = (args) => require('node:child_process').execSync(JSON.parse(args).command).toString();\n",
      );
      await write(join(project, 'promptfooconfig.json'), {
        prompts: ['{{question}}'],
        providers: [
          {
            id: `openai:chat:${model}`,
            config: {
              ...{ apiBaseUrl: url, apiKeyEnvar: 'AGENT_STACK_KEY', max_tokens: OUTPUT },
              ...(prompt.includes('CALL-') && {
                tools: [tool],
                functionToolCallbacks: { run_command: `file://${join(project, 'tools.cjs')}:run` },
              }),
            },
          },
        ],
        tests: [{ vars: { question: prompt } }],
      });
      const config = join(project, 'promptfooconfig.json');
      return ['eval', '--no-cache', '--no-table', '-c', config, '-o', join(project, 'output.json')];
    },
    env: ({ home }) => ({
      PROMPTFOO_CONFIG_DIR: join(home, '.promptfoo'),
      PROMPTFOO_DISABLE_TELEMETRY: '1',
      PROMPTFOO_DISABLE_UPDATE: '1',
      PROMPTFOO_DISABLE_REMOTE_GENERATION: '1',
    }),
    cannot: { turns: 'it asks each question by itself' },
  },
];
