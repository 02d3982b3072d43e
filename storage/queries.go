package storage

// The reads that a client can cause, here together so that one test can show that none of them scans a table.
const (
	messageFields = `seq, prev, at, sender, cid, kind, body`

	queryNewest = `SELECT ` + messageFields + ` FROM messages WHERE channel_id = ? ORDER BY seq DESC LIMIT ?`
	queryBefore = `SELECT ` + messageFields + ` FROM messages WHERE channel_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?`
	queryAfter  = `SELECT ` + messageFields + ` FROM messages WHERE channel_id = ? AND seq > ? ORDER BY seq LIMIT ?`

	// ?1 is a JSON list of channels.
	queryHeads = `SELECT h.channel_id, h.seq FROM json_each(?1) c CROSS JOIN heads h ON h.channel_id = c.value`

	queryChannelsOf = `SELECT channel_id FROM members WHERE user_id = ? AND channel_id >= ? ORDER BY channel_id LIMIT ?`

	// ?3 is a JSON list of the seqs by shard.
	queryNews = `SELECT m.channel_id FROM members m CROSS JOIN heads h ON h.channel_id = m.channel_id
		WHERE m.user_id = ?1 AND m.channel_id >= ?2 AND h.seq > json_extract(?3, '$[' || h.shard || ']')
		ORDER BY m.channel_id LIMIT ?4`

	// A user's list sorts all of the user's channels: what it costs depends on how many those are, not on how many there
	// are or how old. (?2, ?3) is the place after which it goes on, ?2 = 0 the top. Bodies are fetched by key.
	queryList = `WITH list AS (
			SELECT m.channel_id AS id, coalesce(h.at, c.created_at) AS at, h.seq AS seq, c.kind AS kind
			FROM members m CROSS JOIN channels c ON c.id = m.channel_id LEFT JOIN heads h ON h.channel_id = m.channel_id
			WHERE m.user_id = ?1 AND (?2 = 0 OR (coalesce(h.at, c.created_at), m.channel_id) < (?2, ?3))
			ORDER BY at DESC, id DESC LIMIT ?5)
		SELECT l.id, l.kind, l.at, p.id, p.name, m.seq, m.prev, m.at, m.sender, m.cid, m.kind, m.body
		FROM list l
		LEFT JOIN users p ON l.kind = 'direct' AND p.id = replace(replace(l.id, ?4, ''), '.', '')
		LEFT JOIN messages m ON m.channel_id = l.id AND m.seq = l.seq
		ORDER BY l.at DESC, l.id DESC`

	queryUnread = `SELECT count(*) FROM (SELECT 1 FROM messages WHERE channel_id = ?1 AND seq > ?2 AND sender <> ?3 LIMIT ?4)`

	queryUser    = `SELECT id, name, phone FROM users WHERE id = ?`
	queryPhones  = `SELECT u.id, u.name, u.phone FROM json_each(?1) p CROSS JOIN users u ON u.phone = p.value`
	queryDevices = `SELECT id, name, platform, created_at, seen_at FROM devices
		WHERE user_id = ? AND revoked_at IS NULL ORDER BY id`
)
