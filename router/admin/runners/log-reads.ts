/** Who read the output of whose runner, for the audit: once for a page and its stream together, however often more of it is read. */
import type { Who } from '../../accounts/identify';
import type { AuditAction, AuditService } from '../../audit/audit';
import { Recent } from '../../lib/lru';
import type { Clients } from '../../web/clients';
import type { Incoming } from '../../web/patience';

/** A request to the administration, and who sends it. */
export interface AdminRequest extends Incoming {
  readonly who: Who;
  readonly server: Incoming['server'] & Parameters<Clients['address']>[1];
}

interface AuditedRunner {
  /** The address of its owner. */
  readonly owner: string;
  readonly name: string;
  readonly agentId: string;
}

/** Pages whose streams are known to belong to a reading that is recorded. */
const PAGES_MAX = 1_000;

export type LogReads = ReturnType<typeof logReads>;

export function logReads({
  audit,
  clients,
}: {
  audit: Pick<AuditService, 'record'>;
  clients: Pick<Clients, 'address'>;
}) {
  const opened = new Recent<string, true>(PAGES_MAX);
  const keyOf = (who: Who, { agentId }: AuditedRunner) => `${who.credentialId} ${agentId}`;

  async function record(action: AuditAction, { who, request, server }: AdminRequest, runner: AuditedRunner) {
    const { owner: target, name, agentId } = runner;
    const detail = `agent=${name} (${agentId})`;
    await audit.record({ action, actor: who.user, target, detail, address: clients.address(request, server) });
  }

  return {
    record,

    /** A page with the output was opened. */
    async opened(by: AdminRequest, runner: AuditedRunner): Promise<void> {
      opened.set(keyOf(by.who, runner), true);
      await record('runner.log_read', by, runner);
    },

    /** A stream of the output was opened: recorded unless the page that it belongs to was. */
    async followed(by: AdminRequest, runner: AuditedRunner): Promise<void> {
      if (!opened.get(keyOf(by.who, runner))) await this.opened(by, runner);
    },
  };
}
