import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Item {
  readonly label: string;
  readonly run: () => void;
  readonly testid?: string;
  readonly danger?: boolean;
}

interface Props {
  label: string;
  icon: ComponentChildren;
  items: () => (Item | false | undefined)[];
  testid?: string;
  /** Shown above the items. */
  head?: (close: () => void) => ComponentChildren;
}

/** A button that opens a list of things to do. Arrows move, Escape closes. */
export function Menu({ label, icon, items, testid, head }: Props) {
  const open = useSignal(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open.value) return;
    root.current!.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (e: Event) => {
      if (!root.current?.contains(e.target as Node)) open.value = false;
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open.value]);
  const close = () => {
    open.value = false;
    button.current?.focus();
  };
  return (
    <div ref={root} class={`menu-root${open.value ? " open" : ""}`} onKeyDown={(e) => open.value && keys(e, root.current!, close)}>
      <button ref={button} type="button" class="menu-button" aria-haspopup="menu" aria-expanded={open.value} aria-label={label} title={label}
        data-testid={testid} onClick={() => (open.value = !open.value)}>
        {icon}
      </button>
      {open.value && (
        <div class="menu" role="menu">
          {head?.(close)}
          {items().map((item) => item && (
            <button key={item.label} type="button" role="menuitem" class={item.danger ? "danger" : ""} data-testid={item.testid} onClick={() => {
              close();
              item.run();
            }}>
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function keys(e: KeyboardEvent, root: HTMLElement, close: () => void): void {
  const items = [...root.querySelectorAll<HTMLElement>("[role=menuitem]")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to = e.key === "ArrowDown" ? at + 1 : e.key === "ArrowUp" ? at - 1 : undefined;
  if (e.key === "Escape") {
    e.stopPropagation();
    close();
  } else if (to !== undefined) {
    e.preventDefault();
    items[(to + items.length) % items.length]?.focus();
  }
}
