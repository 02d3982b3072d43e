// What a message's ticks say. A message of ours is sent once the server has stored it; what happened to it since is
// told by the others' marks alone.
import type { Message } from "@weft/client";
import { type Chat, marksOf } from "./chat";

export type MessageState = "sending" | "sent" | "delivered" | "read" | "failed" | "in";

export function stateOf(message: Pick<Message, "from" | "seq">, chat: Chat, me: string): MessageState {
  if (message.from !== me) return "in";
  const others = marksOf(chat, chat.kind === "direct" ? (chat.peer?.id ?? "") : "");
  if (others.read >= message.seq) return "read";
  return others.delivered >= message.seq ? "delivered" : "sent";
}
