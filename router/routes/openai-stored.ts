/** `/v1/responses/{id}`: what is stored of a response, to be read. */
import type { Context } from '../context';
import { AppError } from '../errors';
import type { Who } from '../http/session';
import { opens } from '../services/keys';
import { responseFrom } from '../services/responses-shape';
import { answerOf, responseNotFound } from './openai-route';

interface Asked {
  readonly request: Request;
  /** Of the response. */
  readonly id: string;
  /** What the path has behind the id. */
  readonly part: string | undefined;
}

/**
 * Answers whatever is asked of a stored response.
 * Throws `not_found` where it is not there, somebody else's, or of an agent that the key does not open.
 */
export async function storedResponse(context: Context, who: Who, { request, id, part }: Asked): Promise<Response> {
  const { message, conversation } = await answerOf(context, who, { responseId: id, param: 'response_id' });
  const agent = await context.agents.get(who.user.id, conversation.agentId);
  if (!opens(who.key, agent)) throw responseNotFound(id, 'response_id');
  if (part === undefined && request.method === 'GET') return Response.json(responseFrom(message, agent.backend));
  throw new AppError('method_not_allowed', { message: 'A stored response can be read, nothing else.' });
}
