/** Rows of usage, as metering writes them. */
import type { NewUsageRow } from '../../router/usage/store/calls';

/** A call to `gpt-5.5` that ended well: 100 tokens in, 10 out. */
export function usageRow(row: Partial<NewUsageRow> & Pick<NewUsageRow, 'userId' | 'atMs'>): NewUsageRow {
  return {
    agentId: 'gone-agent',
    backend: 'echo',
    conversationId: null,
    keyId: null,
    path: 'chat/completions',
    model: 'gpt-5.5',
    source: 'global',
    promptTokens: 100,
    completionTokens: 10,
    cachedTokens: 0,
    reasoningTokens: 0,
    estimated: false,
    cost: null,
    status: 200,
    ending: 'done',
    firstByteMs: 12,
    totalMs: 345,
    ...row,
  };
}
