package postgres

// The reads that a client can cause, here together so that one test can show that none of them scans a table.
const (
	// $1 is the channel, $2 a seq. The last column is the month that the seq is in, null for one before the first.
	queryPlace = `SELECT l.num, l.first_month, l.head_month, l.head_seq, coalesce((SELECT month FROM months
			WHERE shard = l.shard AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 1), l.first_month)
		FROM logs l WHERE l.channel_id = $1`

	messageFields = `m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body`

	// $1 is the log's number, $2 and $3 the first and last month, $4 a seq, $5 the limit. Ordered by month first, as the
	// partitions and each one's index are, PostgreSQL reads one after the other and stops at the limit.
	queryBefore = `SELECT ` + messageFields + ` FROM messages m
		WHERE m.log = $1 AND m.month BETWEEN $2 AND $3 AND m.seq < $4 ORDER BY m.month DESC, m.seq DESC LIMIT $5`
	queryAfter = `SELECT ` + messageFields + ` FROM messages m
		WHERE m.log = $1 AND m.month BETWEEN $2 AND $3 AND m.seq > $4 ORDER BY m.month, m.seq LIMIT $5`

	queryHeads = `SELECT channel_id, head_seq FROM logs WHERE channel_id = ANY($1)`

	queryChannelsOf = `SELECT channel_id FROM members WHERE user_id = $1 AND channel_id >= $2 ORDER BY channel_id LIMIT $3`

	// $3 is the seqs by shard.
	queryNews = `SELECT u.channel_id FROM members u JOIN logs l ON l.channel_id = u.channel_id
		WHERE u.user_id = $1 AND u.channel_id >= $2 AND l.head_seq > ($3::bigint[])[l.shard + 1]
		ORDER BY u.channel_id LIMIT $4`

	// A user's list sorts all of the user's channels: what it costs depends on how many those are, not on how many there
	// are or how old. ($2, $3) is the place after which it goes on, $2 = 0 the top. Bodies are fetched by key. A group
	// whose record of the user is not in the log yet is not there yet.
	queryList = listHead + listAll + listTail

	// The same for one channel, $5.
	queryEntry = listHead + listAll + ` AND u.channel_id = $5 ` + listTail

	listHead = `WITH list AS (
			SELECT c.id, coalesce(l.head_at, c.created_at) AS at, c.kind, l.num, l.head_month, l.head_seq
			FROM members u JOIN channels c ON c.id = u.channel_id LEFT JOIN logs l ON l.channel_id = u.channel_id
			WHERE `
	listAll = `u.user_id = $1 AND u.from_seq IS NOT NULL
				AND ($2 = 0::bigint OR (coalesce(l.head_at, c.created_at), c.id) < ($2, $3))`
	listTail = `ORDER BY at DESC, c.id DESC LIMIT $4)
		SELECT l.id, l.kind, l.at, p.id, p.name, p.about, p.avatar, p.deleted_at IS NOT NULL, ` + messageFields + `
		FROM list l
		LEFT JOIN users p ON l.kind = 'direct' AND p.id = replace(replace(l.id, $1, ''), '.', '')
		LEFT JOIN messages m ON m.log = l.num AND m.month = l.head_month AND m.seq = l.head_seq
		ORDER BY l.at DESC, l.id DESC`

	// $1 is the log's number, $2 the first month, $3 a seq, $4 the user, $5 the limit.
	queryUnread = `SELECT count(*) FROM (SELECT 1 FROM messages m
		WHERE m.log = $1 AND m.month >= $2 AND m.seq > $3 AND m.sender <> $4 LIMIT $5) unread`

	queryUser    = `SELECT id, name, phone FROM users WHERE id = $1`
	queryPhones  = `SELECT id, name, phone FROM users WHERE phone = ANY($1)`
	queryDevices = `SELECT id, name, platform, created_at, seen_at FROM devices
		WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id`
)
