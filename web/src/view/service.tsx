import type { User } from "@weft/client";

/** Marks an account that is no person's: an internal service may call itself as it likes, but not lose this. */
export function ServiceBadge({ user }: { user: User | undefined }) {
  if (!user?.service) return null;
  return (
    <>
      {" "}
      <span class="badge service-badge" data-testid="service-badge" title={`The internal service ${user.service}, not a person`}>Service</span>
    </>
  );
}
