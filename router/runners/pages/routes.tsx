/** The page of an agent's runner, and what can be done with it there. */
import { Elysia } from 'elysia';
import { RunnerDetails, RunnerPage } from '../../../views/runners/page';
import type { SessionPlugin, Who } from '../../accounts/identify';
import { agentIn, type ShellOf } from '../../accounts/present-pages';
import type { AgentsService } from '../../agents/agents';
import { done, isPartRequest, page, part, seeOther } from '../../web/answers/respond';
import { patiently } from '../../web/patience';
import { type DetailsDeps, runnerDetails } from './present';

interface RunnerPagesDeps extends DetailsDeps {
  readonly agents: AgentsService;
  readonly shell: ShellOf;
}

export function runnerPages(deps: RunnerPagesDeps, session: SessionPlugin) {
  const { agents, runners } = deps;
  const own = ({ user }: Who, { id }: { id: string }) => agents.get(user.id, id);

  return new Elysia({ name: 'runner-pages' })
    .use(session)
    .get(
      '/agents/:id/runner',
      async ({ who, params, request }) => {
        const agent = await own(who, params);
        const shell = await deps.shell(who, agent.id);
        const shown = { agent: agentIn(shell), details: await runnerDetails(deps, agent) };
        if (isPartRequest(request)) return part(who, <RunnerDetails {...shown} />);
        return page(who, <RunnerPage shell={shell} {...shown} />);
      },
      { session: true },
    )
    .post(
      '/agents/:id/runner',
      async ({ who, params, request }) => {
        const agent = await own(who, params);
        runners.begin(agent);
        return done(request, `/agents/${agent.id}/runner`);
      },
      { session: true },
    )
    .post(
      '/agents/:id/runner/stop',
      async ({ who, params, request, server }) => {
        const agent = await own(who, params);
        await patiently({ request, server }, () => runners.stop(agent.id, 'asked'));
        return done(request, `/agents/${agent.id}/runner`);
      },
      { session: true },
    )
    .post(
      '/agents/:id/runner/restart',
      async ({ who, params, request, server }) => {
        const agent = await own(who, params);
        await patiently({ request, server }, () => runners.stop(agent.id, 'asked'));
        runners.begin(agent);
        return seeOther(request, `/agents/${agent.id}/runner`);
      },
      { session: true },
    );
}
