// Whether the user can see the page.
import { signal } from "@preact/signals";

export const visible = signal(document.visibilityState === "visible");

document.addEventListener("visibilitychange", () => {
  visible.value = document.visibilityState === "visible";
});
