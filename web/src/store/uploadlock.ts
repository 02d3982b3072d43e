// Whose an upload is where several tabs could go on with it.

/** The page before may take a moment to go. */
const PATIENCE_MS = 3000;

/** Takes an upload for this tab, until what it returns is called or the tab is gone; undefined where another has it. */
export async function exclusively(id: string): Promise<(() => void) | undefined> {
  if (!navigator.locks) return () => {}; // a page that is not secure: one tab at a time is its user's to heed
  return new Promise((resolve) => {
    navigator.locks
      .request(`weft.upload.${id}`, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => new Promise<void>((release) => resolve(release)))
      .catch(() => resolve(undefined));
  });
}
