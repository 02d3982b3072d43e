// Why somebody who was signed in is not any more, in words.
import type { Ended } from "@weft/client";

const words: Record<Ended, string> = {
  signed_out: "You were signed out here, from another of your devices or by whoever runs this server.",
  reused: "You were signed out here: this sign-in was used a second time, so somebody may have copied it. Sign in again, and look through your devices in the settings.",
  too_many: "You were signed out here, since you have signed in on more devices than you may have.",
  deleted: "This account was deleted.",
  revoked: "You were signed out here.",
  expired: "Your sign-in here is not good any more.",
  key_lost: "This browser has lost the key that your sign-in is bound to.",
};

/** What to tell one whose sign-in ended, "" where there is nothing to tell. */
export function explainEnd(ended: Ended | undefined): string {
  return ended ? words[ended] : "";
}
