import { Component, createRef } from "preact";
import { now } from "../store/clock";
import { isSystem, unreadOf, type Chat } from "../store/chat";
import type { Session } from "../store/session";
import type { Thread } from "../store/thread";
import { stateOf } from "../store/ticks";
import type { Message } from "@weft/client";
import { Bubble, PendingBubble } from "./bubble";
import { DownIcon } from "./icons";
import { UploadBubble } from "./uploading";
import { dayName, sameDay } from "./times";

interface Props {
  thread: Thread;
  chat: Chat;
  session: Session;
  /** The line over what is new stands after this seq. */
  unreadAfter: number | undefined;
  toEnd: () => void;
  /** Shows what is known of a message. */
  show: (message: Message) => void;
}

/** What must stay where it is while messages come and go around it. */
type Anchor = { element: Element; top: number } | "end";

/** This close to the end counts as there. */
const END_PX = 48;

/**
 * The scrolled messages. What is rendered is bounded by the thread's window; nearing either of its ends loads on. Before
 * each update it notes what the user looks at, and puts that back in its place after.
 */
export class MessageList extends Component<Props> {
  private readonly scroller = createRef<HTMLDivElement>();
  private readonly top = createRef<HTMLDivElement>();
  private readonly bottom = createRef<HTMLDivElement>();
  private pager: IntersectionObserver | undefined;
  private readonly sizes = new ResizeObserver(() => this.restore(this.props.thread.atEnd.peek() ? "end" : undefined));

  override componentDidMount(): void {
    const { thread, toEnd } = this.props;
    toEnd();
    this.restore("end");
    this.sizes.observe(this.scroller.current!);
    this.sizes.observe(this.scroller.current!.firstElementChild!);
    this.pager = new IntersectionObserver((seen) => {
      if (thread.error.peek()) return; // not again and again: there is a button
      for (const { target, isIntersecting } of seen) {
        if (isIntersecting) void (target === this.top.current ? thread.loadOlder() : thread.loadNewer());
      }
    }, { root: this.scroller.current, rootMargin: "800px 0px" });
    this.observeEnds();
  }

  override componentWillUnmount(): void {
    this.pager?.disconnect();
    this.sizes.disconnect();
  }

  override getSnapshotBeforeUpdate(): Anchor | undefined {
    if (this.props.thread.atEnd.peek()) return "end";
    const scroller = this.scroller.current!;
    const edge = scroller.getBoundingClientRect().top;
    for (const element of scroller.querySelectorAll(".message")) {
      const { top, bottom } = element.getBoundingClientRect();
      if (bottom > edge) return { element, top };
    }
    return undefined;
  }

  override componentDidUpdate(_: Props, __: unknown, anchor: Anchor | undefined): void {
    this.restore(anchor);
    this.observeEnds();
    this.goTo();
  }

  // goTo brings the message that was asked for into sight, once it is there.
  private goTo(): void {
    const { goal } = this.props.thread;
    const seq = goal.peek();
    if (!seq) return;
    const element = this.scroller.current!.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    if (!element) return;
    goal.value = 0;
    element.scrollIntoView({ block: "center" });
    element.classList.add("found");
    setTimeout(() => element.classList.remove("found"), 2000);
  }

  // An observer tells of changes only. To be told again of an end that is still near, it is observed anew.
  private observeEnds(): void {
    for (const end of [this.top.current!, this.bottom.current!]) {
      this.pager?.unobserve(end);
      this.pager?.observe(end);
    }
  }

  private restore(anchor: Anchor | undefined): void {
    const scroller = this.scroller.current;
    if (!scroller || !anchor) return;
    if (anchor === "end") scroller.scrollTop = scroller.scrollHeight;
    else if (anchor.element.isConnected) scroller.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
  }

  private readonly scrolled = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller.current!;
    const { thread } = this.props;
    thread.atEnd.value = scrollHeight - scrollTop - clientHeight < END_PX && !thread.window.peek().newer;
  };

  private readonly jump = (): void => {
    const { thread, toEnd } = this.props;
    if (thread.window.peek().newer) return toEnd();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.current!.scrollTo({ top: this.scroller.current!.scrollHeight, behavior: calm ? "auto" : "smooth" });
  };

  render({ thread, chat }: Props) {
    void thread.goal.value; // an update follows when it is set
    const window = thread.window.value;
    const items = this.items();
    const unread = unreadOf(chat);
    return (
      <div class="scroll-frame">
        <div ref={this.scroller} class="scroller" role="region" aria-label="Messages" tabIndex={0} onScroll={this.scrolled}>
          <div class="scroll-content">
            <div ref={this.top} class="sentinel" />
            {window.older && <p class="note">Loading older messages…</p>}
            {!thread.loaded.value && !thread.error.value && <p class="note">Loading…</p>}
            {thread.loaded.value && items.length === 0 && <p class="note">No messages yet. Say hello.</p>}
            <ol class="messages" role="list">{items}</ol>
            {thread.error.value && (
              <p class="note" role="alert">
                Messages could not be loaded. <button type="button" class="link" onClick={() => thread.retry()}>Try again</button>
              </p>
            )}
            <div ref={this.bottom} class="sentinel" />
          </div>
        </div>
        {(!thread.atEnd.value || window.newer) && thread.loaded.value && (
          <button type="button" class="round to-end" data-testid="to-end" onClick={this.jump}
            aria-label={unread > 0 ? `To the newest message, ${unread} unread` : "To the newest message"}>
            <DownIcon />
            {unread > 0 && <span class="unread">{unread}</span>}
          </button>
        )}
      </div>
    );
  }

  private items() {
    const { thread, chat, session, unreadAfter, show } = this.props;
    const window = thread.window.value;
    const me = session.me.id;
    const items = [];
    let lastAt = 0;
    let lastFrom = "";
    let marked = unreadAfter === undefined;
    const day = (at: number) => {
      if (lastAt === 0 || !sameDay(lastAt, at)) {
        items.push(<li key={`day${at}`} class="day" data-testid="day-separator"><span>{dayName(at, now.value)}</span></li>);
        lastFrom = "";
      }
      lastAt = at;
    };
    for (const message of window.messages) {
      day(message.at);
      if (!marked && message.seq > unreadAfter! && message.from !== me) {
        marked = true;
        items.push(<li key="new" class="new-line" data-testid="unread-separator"><span>Unread messages</span></li>);
        lastFrom = "";
      }
      items.push(
        <Bubble key={message.from === me ? message.cid : message.seq} message={message} state={stateOf(message, chat, me)}
          first={message.from !== lastFrom} chat={chat} show={show} />,
      );
      lastFrom = isSystem(message.kind) ? "" : message.from;
    }
    if (window.newer) return items; // what is not stored yet stands at the very end
    for (const pending of session.outbox.pending.value) {
      if (pending.channel !== chat.id) continue;
      day(pending.at);
      items.push(<PendingBubble key={pending.cid} pending={pending} first={lastFrom !== me} />);
      lastFrom = me;
    }
    for (const upload of session.uploads.list.value) {
      if (upload.channel !== chat.id) continue;
      day(upload.at);
      items.push(<UploadBubble key={`upload${upload.id}`} upload={upload} first={lastFrom !== me} />);
      lastFrom = me;
    }
    return items;
  }
}
