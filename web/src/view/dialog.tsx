import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { CloseIcon } from "./icons";

interface Props {
  title: string;
  close: () => void;
  children: ComponentChildren;
  testid?: string;
}

/**
 * A dialog element that is shown for as long as its component is there. The browser keeps the focus in it, and gives it
 * back. closed goes on it as onClose, and tells of what people or the component itself close, not of its removal.
 */
export function useModal(close: () => void) {
  const dialog = useRef<HTMLDialogElement>(null);
  // A layout effect: an effect of the one that shows it may run first, and what is not shown yet takes no focus.
  useLayoutEffect(() => {
    const shown = dialog.current!;
    shown.showModal();
    return () => shown.close(); // one that is removed as it is gives no focus back
  }, []);
  return { dialog, closed: () => dialog.current && close() };
}

/** Something that is done before anything else. */
export function Dialog({ title, close, children, testid }: Props) {
  const { dialog, closed } = useModal(close);
  return (
    <dialog ref={dialog} class="dialog" aria-label={title} data-testid={testid} onClose={closed}
      onKeyDown={(e) => e.stopPropagation()} onClick={(e) => e.target === dialog.current && dialog.current?.close()}>
      <div class="dialog-content">
        <header class="dialog-head">
          <h2>{title}</h2>
          <button type="button" class="round" aria-label="Close" onClick={() => dialog.current!.close()}><CloseIcon /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A list beside the conversation, or in its place on a narrow screen. */
export function Panel({ title, close, children, testid }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <aside class="panel" aria-label={title} data-testid={testid} onKeyDown={(e) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      close();
    }}>
      <header class="bar">
        <button type="button" class="round" aria-label="Close" data-testid="panel-close" onClick={close}><CloseIcon /></button>
        <h2 ref={heading} tabIndex={-1} class="bar-title">{title}</h2>
      </header>
      <div class="panel-body">{children}</div>
    </aside>
  );
}
