package postgres

// The reads of groups, of the outbox, and of how two users stand to one another; the same test holds them.
const (
	// $1 is the channel, $2 the users. A member whose record is not in the log yet has 0.
	queryMember = `SELECT user_id, rank, coalesce(from_seq, 0) FROM members
		WHERE user_id = ANY($2) AND channel_id = $1 AND rank IS NOT NULL`

	// ($2, $3, $4) is the place behind which it goes on.
	queryMembers = `SELECT m.rank, m.joined_at, u.id, u.name, u.about, u.avatar, u.deleted_at IS NOT NULL
		FROM members m JOIN users u ON u.id = m.user_id
		WHERE m.channel_id = $1 AND m.rank IS NOT NULL AND (m.rank, m.joined_at, m.user_id) > ($2, $3, $4)
		ORDER BY m.rank, m.joined_at, m.user_id LIMIT $5`

	queryMemberships = `SELECT m.channel_id, m.rank, m.from_seq, g.send, g.change, g.history, g.entry, c.disappear
		FROM members m JOIN groups g ON g.channel_id = m.channel_id JOIN channels c ON c.id = m.channel_id
		WHERE m.user_id = $1 AND m.channel_id >= 'g.' AND m.channel_id < 'g/' AND m.from_seq IS NOT NULL`

	queryFloors = `SELECT user_id, from_seq FROM members
		WHERE channel_id = $1 AND rank IS NOT NULL AND user_id > $2 AND from_seq IS NOT NULL ORDER BY user_id LIMIT $3`

	queryGroup = `SELECT g.channel_id, g.name, g.about, g.avatar, g.created_by, g.send, g.change, g.history, g.entry, g.members,
		c.created_at, c.disappear FROM groups g JOIN channels c ON c.id = g.channel_id WHERE g.channel_id = $1`

	queryExisting  = `SELECT id FROM users WHERE id = ANY($1) AND deleted_at IS NULL`
	queryInTooMany = `SELECT j.id FROM unnest($1::text[]) AS j (id) WHERE (SELECT count(*) FROM members m
		WHERE m.user_id = j.id AND m.channel_id >= 'g.' AND m.channel_id < 'g/') >= $2`

	// $2 is now.
	queryInvites = `SELECT code, created_by, created_at, expires_at, uses, used FROM invites
		WHERE channel_id = $1 AND revoked_at IS NULL AND (expires_at = 0 OR expires_at > $2) AND (uses = 0 OR used < uses)
		ORDER BY created_at`
	queryInvited = `SELECT channel_id, code, created_by, created_at, expires_at, uses, used FROM invites
		WHERE code = $1 AND revoked_at IS NULL AND (expires_at = 0 OR expires_at > $2) AND (uses = 0 OR used < uses)`

	queryOutbox = `SELECT num, cid, channel_id, after_seq, sender, kind, body, told FROM outbox ORDER BY num LIMIT $1`
	queryWaits  = `SELECT EXISTS (SELECT 1 FROM outbox WHERE cid = $1)`

	// $1 is the user, $2 the channels.
	queryStandings = `SELECT m.channel_id, m.muted_until, m.archived, m.pinned, m.marked_unread, c.disappear,
			coalesce(m.from_seq, 0), coalesce(m.rank, 2), g.channel_id IS NOT NULL,
			coalesce(g.name, ''), coalesce(g.about, ''), coalesce(g.avatar, ''), coalesce(g.created_by, ''), coalesce(g.send, ''),
			coalesce(g.change, ''), coalesce(g.history, ''), coalesce(g.entry, ''), coalesce(g.members, 0), c.created_at,
			b.user_id IS NOT NULL
		FROM members m
		JOIN channels c ON c.id = m.channel_id
		LEFT JOIN groups g ON g.channel_id = m.channel_id
		LEFT JOIN blocks b ON b.user_id = $1 AND m.rank IS NULL AND b.blocked_id = replace(replace(m.channel_id, $1, ''), '.', '')
		WHERE m.user_id = $1 AND m.channel_id = ANY($2)`

	queryBlocked      = `SELECT EXISTS (SELECT 1 FROM blocks WHERE user_id = $1 AND blocked_id = $2)`
	queryReadReceipts = `SELECT show_read FROM users WHERE id = $1`

	// $1 are users, $2 is who wants to add them. OFFSET 0: each user's rows are looked up by key. As a join, all who have
	// blocked or know $2 would be read, which may be half the world.
	queryMayAdd = `SELECT u.id FROM users u
		WHERE u.id = ANY($1) AND u.deleted_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = u.id AND b.blocked_id = $2 OFFSET 0)
			AND (u.may_group = 'all' OR u.may_group = 'contacts'
				AND EXISTS (SELECT 1 FROM contacts c WHERE c.user_id = u.id AND c.contact_id = $2 OFFSET 0))`
)
