// What a browser knows of the network and its user: reasons not to wait any longer, to come back or to find out.

/**
 * Calls `cb` when the network came back or the page came to the front, `gone` when the network went; returns how to stop.
 * In Node it never calls.
 */
export function onWakeup(cb: () => void, gone: () => void): () => void {
  const page = globalThis as { document?: Document; addEventListener?: Window["addEventListener"] };
  if (!page.document || !page.addEventListener) return () => {};
  const document = page.document;
  const visible = () => {
    if (document.visibilityState === "visible") cb();
  };
  addEventListener("online", cb);
  addEventListener("offline", gone);
  document.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", cb);
    removeEventListener("offline", gone);
    document.removeEventListener("visibilitychange", visible);
  };
}
