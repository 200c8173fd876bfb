/** How components find the session they show. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "../session";

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) {
    throw new Error("expected a SessionContext around the component, got none");
  }
  return session;
}
