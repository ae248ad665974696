/** The events of a stream, as LLM APIs send them. */

export const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
