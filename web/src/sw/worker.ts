// The service worker: it shows what is pushed while the page is closed, opens the right chat, and has the page at hand
// while there is no network. It is bundled by itself, to /sw.js.
/// <reference lib="webworker" />
import { type Payload, type Shown, take } from "../push/shown";

declare const self: ServiceWorkerGlobalScope;
/** The page's files, by the build; their names change with what is in them. */
declare const __FILES__: string[];

const CACHE = "weft-shell";

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(["/", ...__FILES__].map((url) => new Request(url, { cache: "no-cache" })));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    const keep = new Set(["/", ...__FILES__]);
    for (const request of await cache.keys()) if (!keep.has(new URL(request.url).pathname)) await cache.delete(request);
    await self.clients.claim();
  })());
});

// The page is asked of the network first, so that a new one is there at once; its files have their content in their names.
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || url.pathname.startsWith("/v1/")) return;
  if (request.mode === "navigate") {
    event.respondWith((async () => {
      try {
        return await fetch(request);
      } catch (error) {
        const page = await caches.match("/");
        if (page) return page;
        throw error;
      }
    })());
    return;
  }
  if (__FILES__.includes(url.pathname)) event.respondWith(caches.match(request).then((held) => held ?? fetch(request)));
});

self.addEventListener("push", (event) => {
  let push: Payload;
  try {
    push = event.data!.json() as Payload;
  } catch {
    push = { kind: "notify", title: "Weft", body: "Something is new." }; // a browser wants to see something for each push
  }
  event.waitUntil(pushed(push));
});

// What comes while the page is open and out of sight, it hands over here, so that it is shown as if it had been pushed.
self.addEventListener("message", (event) => {
  if (event.data?.type === "push") event.waitUntil(pushed(event.data.push as Payload));
});

// One after the other: each looks at what the one before it has shown.
let last: Promise<unknown> = Promise.resolve();

function pushed(push: Payload): Promise<unknown> {
  return (last = last.then(() => show(push), () => show(push)));
}

async function show(push: Payload): Promise<void> {
  const tag = push.tag ?? push.channel ?? "weft";
  const [old] = await self.registration.getNotifications({ tag });
  const change = take((old?.data as Shown | undefined) ?? null, push);
  if (push.badge !== undefined && "setAppBadge" in navigator) {
    await (push.badge > 0 ? navigator.setAppBadge(push.badge) : navigator.clearAppBadge()).catch(() => undefined); // an ornament
  }
  if (change === "keep") return;
  if (change === "close") return old?.close();
  const { show, silent } = change;
  await self.registration.showNotification(show.title || "Weft", {
    body: show.body, tag, data: show, icon: "/icons/192.png", badge: "/icons/badge.png", silent,
    ...({ timestamp: show.at, renotify: !silent } as NotificationOptions),
  });
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const shown = event.notification.data as Shown;
  event.waitUntil(open(shown));
});

async function open({ channel, link }: Shown): Promise<void> {
  if (link) {
    await self.clients.openWindow(new URL(link, self.location.origin));
    return;
  }
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = windows.find((w) => w.focused) ?? windows.find((w) => w.visibilityState === "visible") ?? windows[0];
  if (!page) {
    await self.clients.openWindow(channel ? `/#/${encodeURIComponent(channel)}` : "/");
    return;
  }
  page.postMessage({ type: "open", channel });
  await page.focus().catch(() => undefined); // some browsers let only a click on the page do that
}

// A browser has changed what the push service knows it by: the page, which has the tokens, tells the server at its next
// start, or now where one is open.
self.addEventListener("pushsubscriptionchange", (event) => {
  (event as ExtendableEvent).waitUntil((async () => {
    for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) page.postMessage({ type: "renew" });
  })());
});
