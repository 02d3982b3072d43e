import type { User } from "@weft/client";

/** Marks an account that is no person's. It stands behind .name in .named, where no name is long enough to push it out of sight. */
export function ServiceBadge({ user }: { user: User | undefined }) {
  if (!user?.service) return null;
  return <span class="badge service-badge" data-testid="service-badge" title={`The internal service ${user.service}, not a person`}>Service</span>;
}
