package postgres

// The reads that a client can cause, here together so that one test can show that none of them scans a table.
const (
	// $1 is the channel, $2 a seq. The last column is the month that the seq is in, the first one for a seq before it.
	queryPlace = `SELECT l.num, l.shard, l.first_month, l.head_month, l.head_seq, coalesce(month_of(l.shard, $2), l.first_month)
		FROM logs l WHERE l.channel_id = $1`

	messageFields = `m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body, m.only_sender,
		coalesce(m.edited_at, 0), coalesce(m.deleted_at, 0), coalesce(m.expires_at, 0)`

	// $1 is the log's number, $2 and $3 the first and last month, $4 a seq, $5 the limit, $6 the first seq that may be read,
	// $7 the user, $8 now. Ordered by month first, as the partitions and each one's index are, PostgreSQL reads one after
	// the other and stops at the limit.
	mayBeSeen = ` AND (NOT m.only_sender OR m.sender = $7) AND (m.expires_at IS NULL OR m.expires_at > $8)
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = $7 AND h.log = m.log AND h.target = m.seq)`
	queryBefore = `SELECT ` + messageFields + ` FROM messages m
		WHERE m.log = $1 AND m.month BETWEEN $2 AND $3 AND m.seq < $4 AND m.seq >= $6` + mayBeSeen + `
		ORDER BY m.month DESC, m.seq DESC LIMIT $5`
	queryAfter = `SELECT ` + messageFields + ` FROM messages m
		WHERE m.log = $1 AND m.month BETWEEN $2 AND $3 AND m.seq > $4 AND m.seq >= $6 AND m.seq <= $9` + mayBeSeen + `
		ORDER BY m.month, m.seq LIMIT $5`

	// $1 is the channel, $2 the user, $3 now, $4 the first seq that may be read, $5 a seq.
	seenBy = ` AND (NOT m.only_sender OR m.sender = $2) AND (m.expires_at IS NULL OR m.expires_at > $3)
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = $2 AND h.log = m.log AND h.target = m.seq)`
	queryMessage = `SELECT ` + messageFields + ` FROM logs l
		JOIN messages m ON m.log = l.num AND m.month = month_of(l.shard, $5) AND m.seq = $5 AND m.seq >= $4` + seenBy + `
		WHERE l.channel_id = $1`

	// $1 is the log's number, $2 and $4 seqs, after the one and up to the other, $3 the first that may be read, $5 the user,
	// $6 the limit.
	queryChanges = `SELECT m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body, m.only_sender, 0::bigint, 0::bigint, 0::bigint
		FROM changes m WHERE m.log = $1 AND m.seq > $2 AND m.seq >= $3 AND m.seq <= $4 AND (NOT m.only_sender OR m.sender = $5)
		ORDER BY m.seq LIMIT $6`

	queryHeads = `SELECT channel_id, last_seq, disappear FROM logs WHERE channel_id = ANY($1)`

	// The spans of a user, with a channel's together. $1 is the user, $2 the first channel, $3 the limit, $4 the seqs by
	// shard behind which there must be a record. A span that ended has one at its end.
	spans = `SELECT channel_id, from_seq, 0::bigint AS upto_seq FROM members
			WHERE user_id = $1 AND channel_id >= $2 AND from_seq IS NOT NULL
		UNION ALL SELECT channel_id, from_seq, coalesce(upto_seq, 0) FROM past_members
			WHERE user_id = $1 AND channel_id >= $2 AND from_seq IS NOT NULL`
	querySpans = `SELECT channel_id, from_seq, upto_seq FROM (` + spans + `) s ORDER BY channel_id, from_seq LIMIT $3`
	queryNews  = `SELECT s.channel_id, s.from_seq, s.upto_seq FROM (` + spans + `) s JOIN logs l ON l.channel_id = s.channel_id
		WHERE CASE s.upto_seq WHEN 0 THEN l.last_seq ELSE s.upto_seq END > greatest(($4::bigint[])[l.shard + 1], s.from_seq - 1)
		ORDER BY s.channel_id, s.from_seq LIMIT $3`

	// $1 is the channel, $2 the seqs, $3 the viewer, $4 how many users are named.
	queryReactions = `SELECT target, emoji, user_id, n, mine FROM (
			SELECT r.target, r.emoji, r.user_id,
				row_number() OVER (PARTITION BY r.target, r.emoji ORDER BY r.seq) AS nth,
				count(*) OVER (PARTITION BY r.target, r.emoji) AS n,
				bool_or(r.user_id = $3) OVER (PARTITION BY r.target, r.emoji) AS mine,
				min(r.seq) OVER (PARTITION BY r.target, r.emoji) AS first
			FROM logs l JOIN reactions r ON r.log = l.num AND r.target = ANY($2) WHERE l.channel_id = $1) x
		WHERE nth <= $4 ORDER BY target, first, emoji, nth`
	queryNoted = `SELECT j.seq, EXISTS (SELECT 1 FROM stars s WHERE s.user_id = $3 AND s.log = l.num AND s.target = j.seq),
			EXISTS (SELECT 1 FROM pins p WHERE p.log = l.num AND p.target = j.seq)
		FROM logs l CROSS JOIN unnest($2::bigint[]) AS j (seq) WHERE l.channel_id = $1`

	// $1 is the channel, $2 the seqs, $3 the viewer.
	queryPrivate = `SELECT m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body, m.only_sender, 0::bigint, 0::bigint, 0::bigint
		FROM logs l CROSS JOIN unnest($2::bigint[]) AS j (seq)
		JOIN changes m ON m.log = l.num AND m.target = j.seq AND (NOT m.only_sender OR m.sender = $3)
		WHERE l.channel_id = $1 AND EXISTS (SELECT 1 FROM changes o
			WHERE o.log = l.num AND o.target = j.seq AND o.only_sender AND o.sender = $3)
		ORDER BY m.seq`

	// $4 is the first seq that may be read, $5 the limit.
	queryPins = `SELECT ` + messageFields + ` FROM logs l JOIN pins p ON p.log = l.num
		JOIN messages m ON m.log = l.num AND m.month = month_of(l.shard, p.target) AND m.seq = p.target AND m.seq >= $4` + seenBy + `
		WHERE l.channel_id = $1 ORDER BY p.seq DESC LIMIT $5`

	// $1 and $2 are the user, $3 now, ($4, $5) the place behind which it goes on, $6 the limit.
	starPlace    = `((l.shard::bigint << 48) | s.target)`
	queryStarred = `SELECT ` + messageFields + `, l.channel_id, s.at, ` + starPlace + ` FROM stars s
		JOIN logs l ON l.num = s.log
		JOIN members u ON u.user_id = s.user_id AND u.channel_id = l.channel_id
		LEFT JOIN groups g ON g.channel_id = l.channel_id
		JOIN messages m ON m.log = s.log AND m.month = month_of(l.shard, s.target) AND m.seq = s.target
		WHERE s.user_id = $1 AND ($4 = 0::bigint OR (s.at, ` + starPlace + `) < ($4, $5::bigint))
			AND (m.seq >= u.from_seq OR g.history = 'all')` + seenBy + `
		ORDER BY s.at DESC, ` + starPlace + ` DESC LIMIT $6`

	queryErasures = `SELECT shard, seq FROM erasures ORDER BY shard, seq LIMIT $1`

	// A user's list sorts all of the user's channels: what it costs depends on how many those are, not on how many there
	// are or how old. ($2, $3) is the place after which it goes on, $2 = 0 the top, $5 now. Bodies are fetched by key. A group
	// whose record of the user is not in the log yet is not there yet.
	queryList = listHead + listAll + listTail

	// The same for one channel, $6.
	queryEntry = listHead + listAll + ` AND u.channel_id = $6 ` + listTail

	// The newest message of each channel that the user sees.
	listHead = `WITH list AS (
			SELECT c.id, coalesce(n.at, c.created_at) AS at, c.kind, l.num, n.month, n.seq
			FROM members u JOIN channels c ON c.id = u.channel_id LEFT JOIN logs l ON l.channel_id = u.channel_id
			LEFT JOIN LATERAL (SELECT m.at, m.month, m.seq FROM messages m
				WHERE m.log = l.num AND m.month <= l.head_month AND m.month >= l.first_month AND m.seq >= u.from_seq
					AND (NOT m.only_sender OR m.sender = $1) AND (m.expires_at IS NULL OR m.expires_at > $5)
					AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = $1 AND h.log = m.log AND h.target = m.seq)
				ORDER BY m.month DESC, m.seq DESC LIMIT 1) n ON true
			WHERE `
	listAll = `u.user_id = $1 AND u.from_seq IS NOT NULL
				AND ($2 = 0::bigint OR (coalesce(n.at, c.created_at), c.id) < ($2, $3))`
	listTail = `ORDER BY at DESC, c.id DESC LIMIT $4)
		SELECT l.id, l.kind, l.at, p.id, p.name, p.about, p.avatar, p.deleted_at IS NOT NULL, coalesce(p.service, ''),
			m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body
		FROM list l
		LEFT JOIN users p ON l.kind = 'direct' AND p.id = replace(replace(l.id, $1, ''), '.', '')
		LEFT JOIN messages m ON m.log = l.num AND m.month = l.month AND m.seq = l.seq
		ORDER BY l.at DESC, l.id DESC`

	// $1 is the log's number, $2 the first month, $3 a seq, $4 the user, $5 the limit, $6 now. The order keeps PostgreSQL from
	// reading a partition from end to end where much of it is the channel's. What the server says of a channel is nothing
	// to be read.
	queryUnread = `SELECT count(*) FROM (SELECT 1 FROM messages m
		WHERE m.log = $1 AND m.month >= $2 AND m.seq > $3 AND m.sender <> $4 AND NOT m.only_sender
			AND m.kind NOT IN ('member', 'group', 'settings', 'deleted') AND (m.expires_at IS NULL OR m.expires_at > $6)
			AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = $4 AND h.log = m.log AND h.target = m.seq)
		ORDER BY m.month, m.seq LIMIT $5) unread`

	userFields   = `u.id, u.name, CASE WHEN u.phone LIKE '+%' THEN u.phone ELSE '' END, u.about, u.avatar, u.deleted_at IS NOT NULL, u.service`
	queryUser    = `SELECT ` + userFields + ` FROM users u WHERE u.id = $1`
	queryPhones  = `SELECT ` + userFields + ` FROM users u WHERE u.phone = ANY($1)`
	queryDevices = `SELECT id, name, platform, created_at, seen_at FROM devices
		WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id`
)
