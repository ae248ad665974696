/** Requests to `/v1/responses` by OpenAI's client. */
import type OpenAI from 'openai';

export type ResponseBody = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'model'> & { model?: string };

/** Returns a function that asks for a response in one piece, from this model unless the request names one. */
export const responder =
  (clientOf: () => OpenAI, model = 'plain') =>
  (body: ResponseBody) =>
    clientOf().responses.create({ model, ...body });
