package sqlite

// The reads of groups and of the outbox; the same test holds them.
const (
	// ?1 is the user, ?2 the channel. A member whose record is not in the log yet has 0.
	queryMember = `SELECT rank, coalesce(from_seq, 0) FROM members WHERE user_id = ? AND channel_id = ? AND rank IS NOT NULL`

	// (?2, ?3, ?4) is the place behind which it goes on.
	queryMembers = `SELECT m.rank, m.joined_at, u.id, u.name, u.about, u.avatar, u.deleted_at IS NOT NULL
		FROM members m CROSS JOIN users u ON u.id = m.user_id
		WHERE m.channel_id = ?1 AND m.rank IS NOT NULL AND (m.rank, m.joined_at, m.user_id) > (?2, ?3, ?4)
		ORDER BY m.rank, m.joined_at, m.user_id LIMIT ?5`

	queryMemberships = `SELECT m.channel_id, m.rank, m.from_seq, g.send, g.change, g.history, g.entry, c.disappear
		FROM members m CROSS JOIN groups g ON g.channel_id = m.channel_id JOIN channels c ON c.id = m.channel_id
		WHERE m.user_id = ? AND m.channel_id >= 'g.' AND m.channel_id < 'g/' AND m.from_seq IS NOT NULL`

	queryFloors = `SELECT user_id, from_seq FROM members INDEXED BY members_of_group
		WHERE channel_id = ?1 AND rank IS NOT NULL AND user_id > ?2 AND from_seq IS NOT NULL ORDER BY user_id LIMIT ?3`

	// ?1 is a JSON list of users.
	queryExisting  = `SELECT u.id FROM json_each(?1) j CROSS JOIN users u ON u.id = j.value WHERE u.deleted_at IS NULL`
	queryInTooMany = `SELECT j.value FROM json_each(?1) j WHERE (SELECT count(*) FROM members m
		WHERE m.user_id = j.value AND m.channel_id >= 'g.' AND m.channel_id < 'g/') >= ?2`

	// ?2 is now.
	queryInvites = `SELECT code, created_by, created_at, expires_at, uses, used FROM invites
		WHERE channel_id = ?1 AND revoked_at IS NULL AND (expires_at = 0 OR expires_at > ?2) AND (uses = 0 OR used < uses)
		ORDER BY created_at`
	queryInvited = `SELECT channel_id, code, created_by, created_at, expires_at, uses, used FROM invites
		WHERE code = ?1 AND revoked_at IS NULL AND (expires_at = 0 OR expires_at > ?2) AND (uses = 0 OR used < uses)`

	queryOutbox = `SELECT num, cid, channel_id, after_seq, sender, kind, body, told FROM outbox ORDER BY num LIMIT ?`
	queryWaits  = `SELECT count(*) FROM outbox WHERE cid = ?`

	// ?1 is the user, ?2 a JSON list of channels.
	queryStandings = `SELECT m.channel_id, m.muted_until, m.archived, m.pinned, m.marked_unread, c.disappear,
			coalesce(m.from_seq, 0), coalesce(m.rank, 2), g.channel_id IS NOT NULL,
			coalesce(g.name, ''), coalesce(g.about, ''), coalesce(g.avatar, ''), coalesce(g.created_by, ''), coalesce(g.send, ''),
			coalesce(g.change, ''), coalesce(g.history, ''), coalesce(g.entry, ''), coalesce(g.members, 0), c.created_at,
			b.user_id IS NOT NULL
		FROM json_each(?2) j CROSS JOIN members m ON m.user_id = ?1 AND m.channel_id = j.value
		JOIN channels c ON c.id = m.channel_id
		LEFT JOIN groups g ON g.channel_id = m.channel_id
		LEFT JOIN blocks b ON b.user_id = ?1 AND m.rank IS NULL AND b.blocked_id = replace(replace(m.channel_id, ?1, ''), '.', '')`
)
