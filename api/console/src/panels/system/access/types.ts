/** What the appliance says of tokens and share links. */

export type Kind = "tokens" | "shares";

export interface Grant {
  readonly id: string;
  readonly user: string;
  readonly own: boolean;
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly age_s: number;
  readonly left_s: number | null;
  readonly used_s: number | null;
  readonly used_from: string;
}

/** The answer that has the secret, once. */
export interface Made {
  readonly secret: string;
  /** Of a share link: where to open it, relative to the console. */
  readonly path?: string;
}
