/** Recognises a wrong base URL of a client of OpenAI's API, the setting that goes wrong most often, and says how to mend it. */

export const BASE_URL_ADVICE =
  "Set the base URL of your client to this router's address with /v1 behind it, and nothing else.";

/** The answer at the base URL itself. */
export const AT_BASE_URL = "This is the base URL for clients of OpenAI's API. GET /v1/models lists the agents.";

const WITHOUT_V1 = /^\/(chat\/completions|completions|responses|embeddings|models)(\/|$)/;
/** `//v1`, `/V1`, `/api/v1` and the like, and Azure's form. */
const ASTRAY = /^\/+([\w.-]+\/+)?v1(\/|$)|^\/openai\/deployments\//i;
/** Matches paths below `/v1/`. */
const BEHIND_TOO_MUCH = /^v1(\/|$)|.\/(chat\/completions|responses|models)$/;

/** Whether an unknown path is one of OpenAI's API without its `/v1`, or with more before it. */
export const isAstray = (pathname: string): boolean => WITHOUT_V1.test(pathname) || ASTRAY.test(pathname);

/** Whether an unknown path below `/v1/` says that the base URL has more after `/v1`, such as `/v1/v1` or `/v1/chat/completions`. */
export const isBehindTooMuch = (path: string): boolean => BEHIND_TOO_MUCH.test(path);
