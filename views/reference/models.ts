/** A word of a type, with the object that it names. */
export interface TypeWord {
  text: string;
  object?: string;
}

/** A member of a body, or a parameter. */
export interface MemberView {
  /** With those around it, such as `agents[].id`. */
  name: string;
  type: TypeWord[];
  isOptional: boolean;
  about?: string;
}

/** A body, or an answer of one media type. */
export interface BodyView {
  media: string;
  type: TypeWord[];
  members: MemberView[];
}

export type AccessView = 'public' | 'session' | 'manage' | 'v1' | 'admin';

export interface OperationView {
  id: string;
  method: string;
  path: string;
  summary: string;
  more?: string;
  access: AccessView;
  parameters: MemberView[];
  body?: BodyView;
  /** None for an answer without a body. */
  answers: BodyView[];
  status: string;
  refusals: { status: string; reason: string }[];
  example: string;
}

export interface GroupView {
  id: string;
  name: string;
  about: string;
  operations: OperationView[];
}

export interface ReferenceView {
  version: string;
  about: string;
  groups: GroupView[];
  objects: { name: string; members: MemberView[] }[];
}
