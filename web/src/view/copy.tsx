import { useSession } from "./context";

/** Copies a text, where the browser lets the page. */
export function CopyButton({ text }: { text: string }) {
  const { actions } = useSession();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      actions.tell("Copied.");
    } catch {
      actions.tell("The browser does not let the page copy."); // it may be in no secure context
    }
  };
  return <button type="button" class="link" onClick={() => void copy()}>Copy</button>;
}
