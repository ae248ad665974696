// Every visible word of the UI, grouped by part. Values with a gap are functions, so that a language may order its words.

import type { CredentialField, RunnerState } from '../models';

const runnerStates: Record<RunnerState, string> = {
  stopped: 'stopped',
  starting: 'starting',
  running: 'running',
  stopping: 'stopping',
  failed: 'failed',
  unknown: 'unknown',
};

const runnerSentences: Record<RunnerState, string> = {
  stopped: 'No runner is up. The first message starts one, which can take a moment.',
  starting: 'The runner is starting.',
  running: 'The runner is up and answers at once. It stops by itself when idle.',
  stopping: 'The runner is stopping.',
  failed: 'The runner could not start.',
  unknown: 'The state of the runner is not known right now.',
};

const sources: Record<CredentialField['source'], string> = {
  backend: 'set here',
  global: 'from all agents',
  unset: 'not set',
};

const credentialNames: Record<string, string> = {
  LLM_BASE_URL: 'Base URL',
  LLM_API_KEY: 'API key',
  LLM_MODEL: 'Model',
};

const credentialHelp: Record<string, string> = {
  LLM_BASE_URL: 'The address of an OpenAI-compatible API, for example https://api.openai.com/v1',
  LLM_API_KEY: 'Stays in the router: no runner ever sees it.',
  LLM_MODEL: 'The model agents use unless they ask for another.',
};

export const en = {
  productName: 'agent-stack',
  skip: 'Skip to content',
  pageTitle: (title: string) => `${title} · agent-stack`,
  confirm: { cancel: 'Cancel' },
  copy: { label: 'Copy', done: 'Copied', code: 'Copy code' },
  time: { utc: (text: string) => `${text} UTC` },

  signIn: {
    title: 'Sign in',
    lead: 'Welcome back. Your agents are waiting.',
    email: 'E-mail',
    password: 'Password',
    submit: 'Sign in',
    other: 'New here?',
    otherLink: 'Create an account',
  },
  signUp: {
    title: 'Create your account',
    lead: 'One account, one runner of your own for every agent.',
    name: 'Name',
    email: 'E-mail',
    password: 'Password',
    inviteCode: 'Invite code',
    inviteHelp: 'Ask the person who runs this installation.',
    submit: 'Create account',
    other: 'Already have an account?',
    otherLink: 'Sign in',
  },

  sidebar: {
    label: 'Agents and conversations',
    open: 'Open sidebar',
    close: 'Close sidebar',
    newConversation: 'New conversation',
    newWith: (name: string) => `New conversation with ${name}`,
    noAgents: 'No agents are set up yet. An administrator adds them to backends.json.',
    noConversations: 'No conversations yet',
    disabled: 'off',
    answering: 'answering',
  },
  account: {
    label: 'Account',
    admin: 'Administrator',
    settings: 'Settings',
    signOut: 'Sign out',
    theme: 'Theme',
    themes: { system: 'System', light: 'Light', dark: 'Dark' },
  },

  runner: {
    states: runnerStates,
    sentences: runnerSentences,
    percent: (state: string, percent: number) => `${state} ${percent}%`,
    title: (name: string) => `Runner of ${name}`,
    badge: 'Runner',
    start: 'Start runner',
    stop: 'Stop runner',
    progress: 'Start of the runner',
    stages: {
      stopped: 'Waiting for a runner',
      creating: 'Preparing the runner',
      image_pull: 'Fetching the image',
      starting: 'Starting the runner',
      health_wait: 'Waiting for the agent to answer',
      ready: 'Waiting for the first words',
      error: 'The runner could not start',
    },
  },

  conversation: {
    untitled: 'New conversation',
    log: 'Conversation',
    menu: 'Conversation options',
    rename: 'Rename',
    title: 'Title',
    delete: 'Delete conversation',
    deleteQuestion: 'Delete this conversation?',
    deleteConsequence: 'Its messages are gone for good.',
    earlier: 'Show earlier messages',
    jump: 'Jump to latest',
  },
  message: {
    you: 'You said',
    answer: (name: string) => `${name} answered`,
    thinking: 'Thinking',
    stopped: 'You stopped this answer.',
    failed: 'This answer failed.',
    interrupted: 'This answer was interrupted. What had arrived by then is kept.',
    retry: 'Try again',
    copy: 'Copy answer',
    announceDone: 'Answer finished',
    announceStopped: 'Answer stopped',
    announceFailed: 'Answer failed',
  },
  composer: {
    label: (name: string) => `Message ${name}`,
    keys: 'Enter sends, Shift and Enter together begin a new line.',
    send: 'Send message',
    stop: 'Stop answer',
    empty: 'Write a message first.',
    unreachable: 'The message could not be sent. It is kept here: try again in a moment.',
    disabled: (name: string) => `${name} is switched off. An administrator can switch it on again.`,
  },
  greeting: {
    title: (name: string) => `What should ${name} do?`,
    lead: (name: string) => `${name} runs for you alone, with a home directory that keeps what it makes.`,
    suggestionsLabel: 'Suggestions',
  },
  missing: {
    title: (name: string) => `${name} cannot answer yet`,
    names: (names: string[]) => `Missing: ${names.join(', ')}.`,
    action: 'Add credentials',
  },

  settings: {
    title: 'Settings',
    allAgents: 'All agents',
    savedCredentials: 'Saved. The next call of an agent uses it.',
    clearedCredentials: 'Removed.',
    savedIdle: 'Saved.',
    revokedKey: 'Revoked. Programs that used it are cut off.',
    sections: { credentials: 'Credentials', keys: 'API keys', idle: 'Idle time', appearance: 'Appearance' },
  },
  credentials: {
    lead: 'Where agents find a model. Base URL, key and model belong together; an agent may have its own.',
    names: credentialNames,
    help: credentialHelp,
    sources,
    keep: 'Leave empty to keep',
    own: 'has its own',
    shared: 'uses the ones for all agents',
    save: 'Save credentials',
    saveFor: (label: string) => `Save credentials for ${label}`,
    clear: 'Remove',
    clearQuestion: (label: string) => `Remove the credentials for ${label}?`,
    clearConsequence: 'The next call of an agent will no longer use them.',
  },
  keys: {
    lead: 'For programs that speak to your agents as if they were OpenAI. The model is the name of an agent.',
    name: 'Name of the key',
    namePlaceholder: 'Laptop, CI, …',
    create: 'Create key',
    created: (name: string) => `The key “${name}” is ready`,
    createdHelp: 'Copy it now. It is not shown again.',
    baseUrl: 'Base URL',
    createdAt: 'created',
    lastUsed: 'last used',
    neverUsed: 'never used',
    endsWith: (lastFour: string) => `…${lastFour}`,
    none: 'No keys yet.',
    revoke: 'Revoke',
    revokeNamed: (name: string) => `Revoke ${name}`,
    revokeQuestion: (name: string) => `Revoke the key “${name}”?`,
    revokeConsequence: 'Programs that use it are cut off at once.',
  },
  idle: {
    lead: 'How long a runner may do nothing before it is stopped. Its home is kept, and the next message starts it again.',
    label: (name: string) => `Idle time of ${name}`,
    never: 'Never stop',
    seconds: (count: number) => (count === 1 ? '1 second' : `${count} seconds`),
    minutes: (count: number) => (count === 1 ? '1 minute' : `${count} minutes`),
    hours: (count: number) => (count === 1 ? '1 hour' : `${count} hours`),
    save: 'Save',
    saveNamed: (name: string) => `Save idle time of ${name}`,
  },
  appearance: { lead: 'Kept in this browser.' },

  error: {
    titles: { notFound: 'Not found', refused: 'That did not work', server: 'Something went wrong' },
    openSettings: 'Open settings',
    status: (status: number) => `Error ${status}`,
    home: 'Go to your agents',
    requestId: 'Request',
  },
};
