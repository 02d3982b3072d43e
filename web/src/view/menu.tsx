import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

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
    const scrolled = () => (open.value = false); // it would stay behind
    addEventListener("pointerdown", outside);
    addEventListener("scroll", scrolled, true);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("scroll", scrolled, true);
    };
  }, [open.value]);
  useLayoutEffect(() => {
    if (open.value) place(root.current!.querySelector<HTMLElement>(".menu")!, button.current!.getBoundingClientRect());
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

/** Menus stay this far from the window's edges. */
const EDGE_PX = 8;

// place puts a menu at its button, below it where there is room, and all of it within the window.
function place(menu: HTMLElement, at: DOMRect): void {
  const { width, height } = menu.getBoundingClientRect();
  const below = at.bottom + 2;
  const top = below + height + EDGE_PX <= innerHeight ? below : at.top - height - 2;
  const left = at.left + width + EDGE_PX <= innerWidth ? at.left : at.right - width;
  menu.style.top = `${Math.max(EDGE_PX, Math.min(top, innerHeight - height - EDGE_PX))}px`;
  menu.style.left = `${Math.max(EDGE_PX, left)}px`;
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
