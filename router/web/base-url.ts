/** What a client of OpenAI's API is told whose base URL is wrong: the setting that goes wrong most often. */

export const BASE_URL_ADVICE =
  "Set the base URL of your client to this router's address with /v1 behind it, and nothing else.";

const WITHOUT_V1 = /^\/(chat\/completions|completions|responses|embeddings|models)(\/|$)/;
/** Below `/v1/`. */
const BEHIND_TOO_MUCH = /^v1(\/|$)|.\/(chat\/completions|responses|models)$/;

/** Whether the path is one of OpenAI's API without its `/v1`. */
export const lacksV1 = (pathname: string): boolean => WITHOUT_V1.test(pathname);

/** Whether a path below `/v1/` comes of a base URL with more behind `/v1`, such as `/v1/v1` or `/v1/chat/completions`. */
export const isBehindTooMuch = (path: string): boolean => BEHIND_TOO_MUCH.test(path);
