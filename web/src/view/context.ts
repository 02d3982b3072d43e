import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "../store/session";

const Context = createContext<Session | null>(null);

export const SessionProvider = Context.Provider;

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("this part of the page is for those signed in");
  return session;
}
