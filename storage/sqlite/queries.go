package sqlite

// The reads that a client can cause, here together so that one test can show that none of them scans a table.
const (
	placeBits = "48" // see messages.place
	seqOf     = "& 0xffffffffffff"

	messageFields = `m.place ` + seqOf + `, m.prev, m.at, m.sender, m.cid, m.kind, m.body, m.only_sender,
		coalesce(m.edited_at, 0), coalesce(m.deleted_at, 0), coalesce(m.expires_at, 0)`
	changeFields = `m.place ` + seqOf + `, m.prev, m.at, m.sender, m.cid, m.kind, m.body, m.only_sender, 0, 0, 0`

	// What ?2 may see at ?3, of messages and of changes.
	mayBeSeen = ` AND (m.only_sender = 0 OR m.sender = ?2) AND (m.expires_at IS NULL OR m.expires_at > ?3)
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = ?2 AND h.target = m.place)`
	mayBeTold = ` AND (m.only_sender = 0 OR m.sender = ?2)`

	base = `(l.shard << ` + placeBits + `)`

	// ?1 is the channel, ?4 the first seq that may be read, ?5 a seq, ?6 the limit.
	queryBefore = `SELECT ` + messageFields + ` FROM logs l CROSS JOIN messages m ON m.log = l.num
		AND m.place < ` + base + ` + ?5 AND m.place >= ` + base + ` + ?4` + mayBeSeen + `
		WHERE l.channel_id = ?1 ORDER BY m.place DESC LIMIT ?6`
	queryAfter = `SELECT ` + messageFields + ` FROM logs l CROSS JOIN messages m ON m.log = l.num
		AND m.place > ` + base + ` + ?5 AND m.place >= ` + base + ` + ?4` + mayBeSeen + `
		WHERE l.channel_id = ?1 ORDER BY m.place LIMIT ?6`
	queryMessage = `SELECT ` + messageFields + ` FROM logs l CROSS JOIN messages m ON m.log = l.num
		AND m.place = ` + base + ` + ?5 AND m.place >= ` + base + ` + ?4` + mayBeSeen + ` WHERE l.channel_id = ?1`

	// ?5 and ?6 are seqs, after the one and up to the other, ?7 the limit.
	queryRecords = `SELECT * FROM (
		SELECT ` + messageFields + `, m.place AS place FROM logs l CROSS JOIN messages m ON m.log = l.num
			AND m.place > ` + base + ` + ?5 AND m.place >= ` + base + ` + ?4 AND m.place <= ` + base + ` + ?6` + mayBeSeen + `
			WHERE l.channel_id = ?1
		UNION ALL
		SELECT ` + changeFields + `, m.place AS place FROM logs l CROSS JOIN changes m ON m.log = l.num
			AND m.place > ` + base + ` + ?5 AND m.place >= ` + base + ` + ?4 AND m.place <= ` + base + ` + ?6` + mayBeTold + `
			WHERE l.channel_id = ?1)
		ORDER BY place LIMIT ?7`

	// ?1 is a JSON list of channels.
	queryHeads = `SELECT l.channel_id, max(l.head, coalesce((SELECT max(place) FROM messages WHERE log = l.num), 0),
			coalesce((SELECT max(place) FROM changes WHERE log = l.num), 0)) ` + seqOf + `, l.disappear
		FROM json_each(?1) c CROSS JOIN logs l ON l.channel_id = c.value`

	// The spans of a user, with a channel's together. ?1 is the user, ?2 the first channel, ?3 the limit, ?4 a JSON list of
	// the seqs by shard behind which there must be a record.
	spans = `SELECT channel_id, from_seq, 0 AS upto_seq FROM members
			WHERE user_id = ?1 AND channel_id >= ?2 AND from_seq IS NOT NULL
		UNION ALL SELECT channel_id, from_seq, coalesce(upto_seq, 0) FROM past_members
			WHERE user_id = ?1 AND channel_id >= ?2 AND from_seq IS NOT NULL`
	querySpans = `SELECT channel_id, from_seq, upto_seq FROM (` + spans + `) ORDER BY channel_id, from_seq LIMIT ?3`
	queryNews  = `SELECT s.channel_id, s.from_seq, s.upto_seq FROM (` + spans + `) s CROSS JOIN logs l ON l.channel_id = s.channel_id
		WHERE EXISTS (SELECT 1 FROM messages m WHERE m.log = l.num
				AND m.place > ` + base + ` + max(json_extract(?4, '$[' || l.shard || ']'), s.from_seq - 1)
				AND (s.upto_seq = 0 OR m.place <= ` + base + ` + s.upto_seq))
			OR EXISTS (SELECT 1 FROM changes m WHERE m.log = l.num
				AND m.place > ` + base + ` + max(json_extract(?4, '$[' || l.shard || ']'), s.from_seq - 1)
				AND (s.upto_seq = 0 OR m.place <= ` + base + ` + s.upto_seq))
		ORDER BY s.channel_id, s.from_seq LIMIT ?3`

	// ?1 is a JSON list of places, ?2 the viewer, ?3 how many users are named.
	queryReactions = `SELECT target, emoji, user_id, n, mine FROM (
			SELECT r.target, r.emoji, r.user_id, r.place,
				row_number() OVER (PARTITION BY r.target, r.emoji ORDER BY r.place) AS nth,
				count(*) OVER (PARTITION BY r.target, r.emoji) AS n,
				max(r.user_id = ?2) OVER (PARTITION BY r.target, r.emoji) AS mine,
				min(r.place) OVER (PARTITION BY r.target, r.emoji) AS first
			FROM json_each(?1) j CROSS JOIN reactions r ON r.target = j.value)
		WHERE nth <= ?3 ORDER BY target, first, emoji, nth`
	queryNoted = `SELECT j.value, EXISTS (SELECT 1 FROM stars s WHERE s.user_id = ?2 AND s.target = j.value),
			EXISTS (SELECT 1 FROM messages m CROSS JOIN pins p ON p.log = m.log AND p.target = m.place WHERE m.place = j.value)
		FROM json_each(?1) j`

	// ?1 is a JSON list of places, ?2 the viewer.
	queryPrivate = `SELECT ` + changeFields + ` FROM json_each(?1) j CROSS JOIN changes m ON m.target = j.value` + mayBeTold + `
		WHERE EXISTS (SELECT 1 FROM changes o WHERE o.target = j.value AND o.only_sender = 1 AND o.sender = ?2) ORDER BY m.place`

	// ?4 is the first seq that may be read, ?5 the limit.
	queryPins = `SELECT ` + messageFields + ` FROM logs l CROSS JOIN pins p ON p.log = l.num CROSS JOIN messages m ON m.place = p.target
		WHERE l.channel_id = ?1 AND m.place >= ` + base + ` + ?4` + mayBeSeen + ` ORDER BY p.place DESC LIMIT ?5`

	// ?1 and ?2 are the user, ?3 now, (?4, ?5) the place behind which it goes on, ?6 the limit.
	queryStarred = `SELECT ` + messageFields + `, l.channel_id, s.at, s.target FROM stars s
		CROSS JOIN messages m ON m.place = s.target CROSS JOIN logs l ON l.num = m.log
		CROSS JOIN members u ON u.user_id = s.user_id AND u.channel_id = l.channel_id
		LEFT JOIN groups g ON g.channel_id = l.channel_id
		WHERE s.user_id = ?1 AND (?4 = 0 OR (s.at, s.target) < (?4, ?5))
			AND (m.place >= ` + base + ` + u.from_seq OR g.history = 'all')` + mayBeSeen + `
		ORDER BY s.at DESC, s.target DESC LIMIT ?6`

	queryErasures = `SELECT place FROM erasures ORDER BY place LIMIT ?`

	// A user's list sorts all of the user's channels: what it costs depends on how many those are, not on how many there
	// are or how old. (?2, ?3) is the place after which it goes on, ?2 = 0 the top. Bodies are fetched by key. ?5 is the one
	// channel that is asked for, '' for all; ?6 is now. A group whose record of the user is not in the log yet is not there yet.
	queryList = `WITH list AS (
			SELECT u.channel_id AS id, coalesce(m.at, c.created_at) AS at, m.place AS place, c.kind AS kind
			FROM members u CROSS JOIN channels c ON c.id = u.channel_id
			LEFT JOIN logs l ON l.channel_id = u.channel_id
			LEFT JOIN messages m ON m.place = (SELECT x.place FROM messages x WHERE x.log = l.num
				AND x.place >= (l.shard << ` + placeBits + `) + u.from_seq AND (x.only_sender = 0 OR x.sender = ?1)
				AND (x.expires_at IS NULL OR x.expires_at > ?6)
				AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = ?1 AND h.target = x.place)
				ORDER BY x.place DESC LIMIT 1)
			WHERE u.user_id = ?1 AND u.from_seq IS NOT NULL AND (?5 = '' OR u.channel_id = ?5)
				AND (?2 = 0 OR (coalesce(m.at, c.created_at), u.channel_id) < (?2, ?3))
			ORDER BY at DESC, id DESC LIMIT ?4)
		SELECT l.id, l.kind, l.at, p.id, p.name, p.about, p.avatar, p.deleted_at IS NOT NULL, coalesce(p.service, ''), m.place ` + seqOf + `, m.prev, m.at, m.sender, m.cid, m.kind, m.body
		FROM list l
		LEFT JOIN users p ON l.kind = 'direct' AND p.id = replace(replace(l.id, ?1, ''), '.', '')
		LEFT JOIN messages m ON m.place = l.place
		ORDER BY l.at DESC, l.id DESC`

	// What the server says of a channel is nothing to be read. ?5 is now.
	queryUnread = `SELECT count(*) FROM (SELECT 1 FROM logs l CROSS JOIN messages m ON m.log = l.num
		WHERE l.channel_id = ?1 AND m.place > (l.shard << ` + placeBits + `) + ?2 AND m.sender <> ?3 AND m.only_sender = 0
			AND m.kind NOT IN ('member', 'group', 'settings', 'deleted') AND (m.expires_at IS NULL OR m.expires_at > ?5)
			AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = ?3 AND h.target = m.place)
		LIMIT ?4)`

	userFields   = `u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END, u.about, u.avatar, u.deleted_at IS NOT NULL, u.service`
	queryUser    = `SELECT ` + userFields + ` FROM users u WHERE u.id = ?`
	queryPhones  = `SELECT ` + userFields + ` FROM json_each(?1) p CROSS JOIN users u ON u.phone = p.value`
	queryDevices = `SELECT id, name, platform, created_at, seen_at FROM devices
		WHERE user_id = ? AND revoked_at IS NULL ORDER BY id`
)
