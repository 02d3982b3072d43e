package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// term is a word of a channel as the index has it: the number has no x, so the first one ends it.
func term(log int64, word string) string { return strconv.FormatInt(log, 16) + "x" + word }

// putWords sets the words of a message in the index.
func putWords(ctx context.Context, tx pgx.Tx, log, seq int64, month int32, words []string) error {
	if len(words) == 0 {
		_, err := tx.Exec(ctx, `DELETE FROM words WHERE log = $1 AND seq = $2`, log, seq)
		return err
	}
	terms := make([]string, len(words))
	for i, w := range words {
		terms[i] = term(log, w)
	}
	_, err := tx.Exec(ctx, `INSERT INTO words (log, seq, month, terms) VALUES ($1, $2, $3, array_to_tsvector($4::text[]))
		ON CONFLICT (log, seq) DO UPDATE SET terms = excluded.terms`, log, seq, month, terms)
	return err
}

// Indexed implements history.Store.
func (s *DB) Indexed(ctx context.Context, shards int) (fabric.Position, error) {
	at := make(fabric.Position, shards)
	_, err := rows(ctx, s, `SELECT shard, seq FROM indexed`, func(r pgx.CollectableRow) (struct{}, error) {
		var shard int
		var seq int64
		err := r.Scan(&shard, &seq)
		if err == nil && shard < shards {
			at[shard] = uint64(seq)
		}
		return struct{}{}, err
	})
	return at, err
}

// stretch is how many seqs are looked through for each message that may be indexed: most records are messages.
const stretch = 4

// toIndex is a message whose words are to be indexed.
type toIndex struct {
	Log, Seq   int64
	Month      int32
	Kind, Body string
}

// Index implements history.Store. Of several processes one indexes a shard at a time, and none while the archive changes
// a message of it.
func (s *DB) Index(ctx context.Context, shard, limit int) (n int, done bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		n, done = 0, false
		var at, archived int64
		var first, last int32
		var b pgx.Batch
		b.Queue(`INSERT INTO indexed (shard, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING`, shard)
		b.Queue(`SELECT seq FROM indexed WHERE shard = $1 FOR NO KEY UPDATE`, shard).QueryRow(func(r pgx.Row) error { return r.Scan(&at) })
		b.Queue(`SELECT coalesce(max(seq), 0), coalesce(max(month), 0) FROM archived WHERE shard = $1`, shard).
			QueryRow(func(r pgx.Row) error { return r.Scan(&archived, &last) })
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("how far is indexed: %w", err)
		}
		if err := tx.QueryRow(ctx, `SELECT coalesce(month_of($1, $2), (SELECT min(month) FROM months WHERE shard = $1), 0)`, shard, at+1).Scan(&first); err != nil {
			return fmt.Errorf("month of %d: %w", at+1, err)
		}
		// A bounded stretch at a time: what is searched for the next ones is bounded, too.
		upto := min(archived, at+stretch*int64(limit))
		list, err := s.behind(ctx, tx, shard, first, last, at, upto, limit)
		if err != nil {
			return err
		}
		n = len(list)
		if err := index(ctx, tx, list); err != nil {
			return err
		}
		if n < limit {
			at = upto
		} else {
			at = list[n-1].Seq
		}
		done = at == archived
		_, err = tx.Exec(ctx, `UPDATE indexed SET seq = $2 WHERE shard = $1`, shard, at)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("index messages of shard %d: %w", shard, err)
	}
	return n, done, nil
}

// behind returns the first messages of a shard behind a seq.
func (s *DB) behind(ctx context.Context, tx pgx.Tx, shard int, first, last int32, at, upto int64, limit int) ([]toIndex, error) {
	found, err := tx.Query(ctx, queryBehind, shard, first, last, at, upto, limit)
	if err != nil {
		return nil, fmt.Errorf("messages behind %d: %w", at, err)
	}
	list, err := pgx.CollectRows(found, pgx.RowToStructByPos[toIndex])
	if err != nil {
		return nil, fmt.Errorf("messages behind %d: %w", at, err)
	}
	return list, nil
}

// index adds the words of messages in one round trip.
func index(ctx context.Context, tx pgx.Tx, list []toIndex) error {
	var b pgx.Batch
	for _, m := range list {
		words := history.Words(m.Kind, []byte(m.Body))
		if len(words) == 0 {
			continue
		}
		for i, w := range words {
			words[i] = term(m.Log, w)
		}
		b.Queue(`INSERT INTO words (log, seq, month, terms) VALUES ($1, $2, $3, array_to_tsvector($4::text[])) ON CONFLICT DO NOTHING`,
			m.Log, m.Seq, m.Month, words)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("add words: %w", err)
	}
	return nil
}

// $1 is the shard, $2 and $3 the first and last month, $4 and $5 seqs, behind the one and up to the other, $6 the limit.
const queryBehind = `SELECT m.log, m.seq, m.month, m.kind, m.body FROM messages m
	WHERE m.shard = $1 AND m.month BETWEEN $2 AND $3 AND m.seq > $4 AND m.seq <= $5 ORDER BY m.month, m.seq LIMIT $6`

// The logs that $1 may search in, with the first seq that they may read; $2 is one channel, ” for all.
const querySearchable = `SELECT l.num, l.shard, l.channel_id, CASE WHEN coalesce(g.history, '') = 'all' THEN 0 ELSE m.from_seq END
	FROM members m JOIN logs l ON l.channel_id = m.channel_id LEFT JOIN groups g ON g.channel_id = m.channel_id
	WHERE m.user_id = $1 AND m.from_seq IS NOT NULL AND ($2 = '' OR m.channel_id = $2)`

// $1 are the logs, $2 what matches in each, $3 the first seqs that may be read, $4 the shards; $5 is the limit, $6 now, $7
// the user, ($8, $9) the place behind which it goes on. Each channel's newest hits, and the newest of these.
const querySearch = `SELECT h.* FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS q (log, terms, from_seq, shard)
	CROSS JOIN LATERAL (SELECT ` + messageFields + `, m.log, (q.shard::bigint << 48) | m.seq AS place
		FROM words w JOIN messages m ON m.log = w.log AND m.month = w.month AND m.seq = w.seq
		WHERE w.terms @@ q.terms::tsquery AND w.log = q.log AND w.seq >= q.from_seq
			AND (NOT m.only_sender OR m.sender = $7) AND (m.expires_at IS NULL OR m.expires_at > $6)
			AND NOT EXISTS (SELECT 1 FROM hidden d WHERE d.user_id = $7 AND d.log = m.log AND d.target = m.seq)
			AND ($8 = 0::bigint OR (m.at, (q.shard::bigint << 48) | m.seq) < ($8, $9::bigint))
		ORDER BY m.at DESC, m.seq DESC LIMIT $5) h
	ORDER BY h.at DESC, h.place DESC LIMIT $5`

// Search implements history.Store.
func (s *DB) Search(ctx context.Context, q history.Query, limit int) ([]history.Hit, error) {
	var logs, froms []int64
	var shards []int32
	var terms []string
	names := make(map[int64]fabric.ChannelID)
	_, err := rows(ctx, s, querySearchable, func(r pgx.CollectableRow) (struct{}, error) {
		var log, from int64
		var shard int32
		var c fabric.ChannelID
		if err := r.Scan(&log, &shard, &c, &from); err != nil {
			return struct{}{}, err
		}
		logs, froms, shards, names[log] = append(logs, log), append(froms, from), append(shards, shard), c
		terms = append(terms, matching(log, q.Words))
		return struct{}{}, nil
	}, q.User, q.Channel)
	if err != nil || len(logs) == 0 {
		return nil, err
	}
	return rows(ctx, s, querySearch, func(r pgx.CollectableRow) (h history.Hit, err error) {
		var row shownRow
		var log int64
		err = r.Scan(append(row.into(), &log, &h.Place.Target)...)
		row.Channel = names[log]
		h.Shown = row.shown()
		h.Place.At = h.At
		return h, err
	}, logs, terms, froms, shards, limit, q.Now, q.User, q.Before.At, q.Before.Target)
}

// matching returns what a channel's messages with all of the words match, of the last one by its beginning. Words have
// only letters and digits, so there is nothing to be quoted.
func matching(log int64, words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(" & ")
		}
		b.WriteString("'" + term(log, w) + "'")
	}
	return b.String() + ":*"
}
