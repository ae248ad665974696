/** Makes the parts of this subject. */
import type { AgentsService } from '../agents/agents';
import type { ConversationsService } from '../chat/conversations';
import type { GenerationsService } from '../chat/generations/generations';
import type { Config } from '../config/config';
import type { Events } from '../lib/events';
import type { Draining } from '../web/health/draining';
import { schedulesService } from './schedules';
import type { SchedulesStore } from './store';

export function wireSchedules(uses: {
  config: Pick<Config, 'schedules'>;
  stores: { schedules: SchedulesStore };
  agents: AgentsService;
  conversations: ConversationsService;
  generations: GenerationsService;
  draining: Draining;
  events: Events;
  now: () => number;
}) {
  const { config, stores, agents, conversations, generations, draining, events, now } = uses;
  const isDraining = () => draining.isDraining;
  const { schedules } = stores;
  const { schedules: limits } = config;
  return {
    schedules: schedulesService({ schedules, agents, conversations, generations, events, limits, isDraining, now }),
  };
}
