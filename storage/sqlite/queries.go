package sqlite

// The reads that a client can cause, here together so that one test can show that none of them scans a table.
const (
	placeBits = "48" // see messages.place
	seqOf     = "& 0xffffffffffff"

	messageFields = `m.place ` + seqOf + `, m.prev, m.at, m.sender, m.cid, m.kind, m.body
		FROM logs l CROSS JOIN messages m ON m.log = l.num`

	// ?1 is the channel, ?2 a seq, ?3 the limit.
	queryBefore = `SELECT ` + messageFields + ` AND m.place < (l.shard << ` + placeBits + `) + ?2 WHERE l.channel_id = ?1
		ORDER BY m.place DESC LIMIT ?3`
	queryAfter = `SELECT ` + messageFields + ` AND m.place > (l.shard << ` + placeBits + `) + ?2 WHERE l.channel_id = ?1
		ORDER BY m.place LIMIT ?3`

	// ?1 is a JSON list of channels.
	queryHeads = `SELECT l.channel_id, (SELECT max(place) FROM messages WHERE log = l.num) ` + seqOf + `
		FROM json_each(?1) c CROSS JOIN logs l ON l.channel_id = c.value`

	queryChannelsOf = `SELECT channel_id FROM members WHERE user_id = ? AND channel_id >= ? ORDER BY channel_id LIMIT ?`

	// ?3 is a JSON list of the seqs by shard.
	queryNews = `SELECT u.channel_id FROM members u CROSS JOIN logs l ON l.channel_id = u.channel_id
		WHERE u.user_id = ?1 AND u.channel_id >= ?2 AND EXISTS (SELECT 1 FROM messages m
			WHERE m.log = l.num AND m.place > (l.shard << ` + placeBits + `) + json_extract(?3, '$[' || l.shard || ']'))
		ORDER BY u.channel_id LIMIT ?4`

	// A user's list sorts all of the user's channels: what it costs depends on how many those are, not on how many there
	// are or how old. (?2, ?3) is the place after which it goes on, ?2 = 0 the top. Bodies are fetched by key. ?5 is the one
	// channel that is asked for, '' for all. A group whose record of the user is not in the log yet is not there yet.
	queryList = `WITH list AS (
			SELECT u.channel_id AS id, coalesce(m.at, c.created_at) AS at, m.place AS place, c.kind AS kind
			FROM members u CROSS JOIN channels c ON c.id = u.channel_id
			LEFT JOIN logs l ON l.channel_id = u.channel_id
			LEFT JOIN messages m ON m.place = (SELECT max(place) FROM messages WHERE log = l.num)
			WHERE u.user_id = ?1 AND u.from_seq IS NOT NULL AND (?5 = '' OR u.channel_id = ?5)
				AND (?2 = 0 OR (coalesce(m.at, c.created_at), u.channel_id) < (?2, ?3))
			ORDER BY at DESC, id DESC LIMIT ?4)
		SELECT l.id, l.kind, l.at, p.id, p.name, p.about, p.avatar, p.deleted_at IS NOT NULL, m.place ` + seqOf + `, m.prev, m.at, m.sender, m.cid, m.kind, m.body
		FROM list l
		LEFT JOIN users p ON l.kind = 'direct' AND p.id = replace(replace(l.id, ?1, ''), '.', '')
		LEFT JOIN messages m ON m.place = l.place
		ORDER BY l.at DESC, l.id DESC`

	queryUnread = `SELECT count(*) FROM (SELECT 1 FROM logs l CROSS JOIN messages m ON m.log = l.num
		WHERE l.channel_id = ?1 AND m.place > (l.shard << ` + placeBits + `) + ?2 AND m.sender <> ?3 LIMIT ?4)`

	queryUser    = `SELECT id, name, phone FROM users WHERE id = ?`
	queryPhones  = `SELECT u.id, u.name, u.phone FROM json_each(?1) p CROSS JOIN users u ON u.phone = p.value`
	queryDevices = `SELECT id, name, platform, created_at, seen_at FROM devices
		WHERE user_id = ? AND revoked_at IS NULL ORDER BY id`
)
