// Events to callbacks, in the order in which they were registered. A callback that throws is reported as uncaught and
// keeps nothing from the others, nor from the connection.

type Callback = (event: any) => void;

export class Emitter<Events> {
  private readonly callbacks = new Map<keyof Events, Set<Callback>>();

  on<E extends keyof Events>(event: E, cb: (e: Events[E]) => void): () => void {
    let set = this.callbacks.get(event);
    if (!set) this.callbacks.set(event, (set = new Set()));
    const own: Callback = (e) => cb(e); // the same function registered twice is called twice
    set.add(own);
    return () => void set.delete(own);
  }

  emit<E extends keyof Events>(event: E, e: Events[E]): void {
    for (const cb of [...(this.callbacks.get(event) ?? [])]) guarded(() => cb(e));
  }
}

/** Runs an application's function; what it throws becomes an uncaught error instead of ours. */
export function guarded(f: () => void): void {
  try {
    f();
  } catch (err) {
    queueMicrotask(() => {
      throw err;
    });
  }
}
