// What a browser knows of the network and its user: both are reasons not to wait any longer.

/** Calls back when the network came back or the page came to the front; returns how to stop. In Node it never does. */
export function onWakeup(cb: () => void): () => void {
  const page = globalThis as { document?: Document; addEventListener?: Window["addEventListener"] };
  if (!page.document || !page.addEventListener) return () => {};
  const document = page.document;
  const visible = () => {
    if (document.visibilityState === "visible") cb();
  };
  addEventListener("online", cb);
  document.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", cb);
    document.removeEventListener("visibilitychange", visible);
  };
}
