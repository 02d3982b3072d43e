package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// term is a word of a channel as the index has it: the number has no x, so the first one ends it.
func term(log int64, word string) string { return strconv.FormatInt(log, 16) + "x" + word }

// terms returns a message's words as the index has them, "" where it has none.
func terms(log int64, kind string, body []byte) string {
	words := history.Words(kind, body)
	for i, w := range words {
		words[i] = term(log, w)
	}
	return strings.Join(words, " ")
}

// Indexed implements history.Store.
func (s *DB) Indexed(ctx context.Context, shards int) (fabric.Position, error) {
	at := make(fabric.Position, shards)
	_, err := rows(ctx, s, `SELECT shard, seq FROM indexed`, func(r *sql.Rows) (struct{}, error) {
		var shard int
		var seq uint64
		err := r.Scan(&shard, &seq)
		if err == nil && shard < shards {
			at[shard] = seq
		}
		return struct{}{}, err
	})
	return at, err
}

// Index implements history.Store.
func (s *DB) Index(ctx context.Context, shard, limit int) (n int, done bool, err error) {
	err = s.log.do(ctx, func(t tx) error {
		var at, archived uint64
		if err := t.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM indexed WHERE shard = ?1), 0),
			coalesce((SELECT seq FROM archived WHERE shard = ?1), 0)`, shard).Scan(&at, &archived); err != nil {
			return fmt.Errorf("how far is indexed: %w", err)
		}
		st, err := t.stmt(ctx, `SELECT place, log, kind, body FROM messages WHERE place > ? AND place <= ? ORDER BY place LIMIT ?`)
		if err != nil {
			return err
		}
		found, err := st.QueryContext(ctx, place(shard, at), place(shard, archived), limit)
		if err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		defer found.Close()
		type one struct {
			place int64
			terms string
		}
		var list []one
		for found.Next() {
			var p, log int64
			var kind string
			var body []byte
			if err := found.Scan(&p, &log, &kind, &body); err != nil {
				return fmt.Errorf("read messages: %w", err)
			}
			at = uint64(p & mostSeq)
			n++
			if words := terms(log, kind, body); words != "" {
				list = append(list, one{p, words})
			}
		}
		if err := found.Err(); err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		if done = n < limit; done {
			at = archived
		}
		for _, m := range list {
			if _, err := t.exec(ctx, `INSERT INTO words (rowid, terms) VALUES (?, ?)`, m.place, m.terms); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `INSERT INTO indexed (shard, seq) VALUES (?, ?) ON CONFLICT (shard) DO UPDATE SET seq = excluded.seq`, shard, int64(at)) // seqs < 2^48
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("index messages of shard %d: %w", shard, err)
	}
	return n, done, nil
}

// reindex changes a message by f and brings its words in the index to what they are then. What is not indexed yet will
// be as it is by then. log may be 0 for whatever log it is in.
func reindex(ctx context.Context, t tx, shard int, log, target int64, f func() error) error {
	read := func() (words string, err error) {
		var kind string
		var body []byte
		err = t.QueryRowContext(ctx, `SELECT log, kind, body FROM messages WHERE place = ?1 AND (?2 = 0 OR log = ?2)
			AND place <= ?3 + coalesce((SELECT seq FROM indexed WHERE shard = ?4), 0)`, target, log, place(shard, 0), shard).Scan(&log, &kind, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return "", nil
		}
		return terms(log, kind, body), err
	}
	before, err := read()
	if err != nil {
		return fmt.Errorf("words of a message: %w", err)
	}
	if err := f(); err != nil {
		return err
	}
	after, err := read()
	if err != nil {
		return fmt.Errorf("words of a message: %w", err)
	}
	if before == after {
		return nil
	}
	if before != "" {
		if _, err := t.exec(ctx, `INSERT INTO words (words, rowid, terms) VALUES ('delete', ?, ?)`, target, before); err != nil {
			return err
		}
	}
	if after != "" {
		_, err = t.exec(ctx, `INSERT INTO words (rowid, terms) VALUES (?, ?)`, target, after)
	}
	return err
}

// The logs that ?1 may search in, with the first place that they may read; ?2 is one channel, ” for all.
const querySearchable = `SELECT l.num, l.shard, l.channel_id, CASE WHEN coalesce(g.history, '') = 'all' THEN 0 ELSE m.from_seq END
	FROM members m CROSS JOIN logs l ON l.channel_id = m.channel_id LEFT JOIN groups g ON g.channel_id = m.channel_id
	WHERE m.user_id = ?1 AND m.from_seq IS NOT NULL AND (?2 = '' OR m.channel_id = ?2)`

// ?1 is what matches, ?2 the user, ?3 now, (?4, ?5) the place behind which it goes on, ?6 a JSON object of the first
// places by log, ?7 the limit.
const querySearch = `SELECT ` + messageFields + `, m.log, m.place FROM words w CROSS JOIN messages m ON m.place = w.rowid` + mayBeSeen + `
	AND (?4 = 0 OR (m.at, m.place) < (?4, ?5)) AND m.place >= json_extract(?6, '$."' || m.log || '"')
	WHERE w.words MATCH ?1 ORDER BY w.rowid DESC LIMIT ?7`

// searchable is a channel that is searched.
type searchable struct {
	log, shard int64
	channel    fabric.ChannelID
	from       int64
}

// searchAtOnce is how many channels one question to the index names.
const searchAtOnce = 100

// Search implements history.Store.
func (s *DB) Search(ctx context.Context, q history.Query, limit int) ([]history.Hit, error) {
	logs, err := rows(ctx, s, querySearchable, func(r *sql.Rows) (l searchable, err error) {
		err = r.Scan(&l.log, &l.shard, &l.channel, &l.from)
		return l, err
	}, string(q.User), string(q.Channel))
	if err != nil {
		return nil, fmt.Errorf("channels to search in: %w", err)
	}
	// Places grow with time within a shard only.
	slices.SortFunc(logs, func(a, b searchable) int { return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.log, b.log)) })
	var hits []history.Hit
	for len(logs) > 0 {
		n := 1
		for n < len(logs) && n < searchAtOnce && logs[n].shard == logs[0].shard {
			n++
		}
		part, err := s.searchIn(ctx, q, logs[:n], limit)
		if err != nil {
			return nil, err
		}
		hits = append(hits, part...)
		logs = logs[n:]
	}
	slices.SortFunc(hits, func(a, b history.Hit) int {
		return cmp.Or(cmp.Compare(b.Place.At, a.Place.At), cmp.Compare(b.Place.Target, a.Place.Target))
	})
	return hits[:min(limit, len(hits))], nil
}

// searchIn returns the newest hits in channels of one shard.
func (s *DB) searchIn(ctx context.Context, q history.Query, logs []searchable, limit int) ([]history.Hit, error) {
	from := make(map[int64]int64, len(logs))
	names := make(map[int64]fabric.ChannelID, len(logs))
	var match strings.Builder
	for i, l := range logs {
		from[l.log] = place(int(l.shard), uint64(l.from)) // seqs < 2^48
		names[l.log] = l.channel
		if i > 0 {
			match.WriteString(" OR ")
		}
		match.WriteByte('(')
		for j, w := range q.Words {
			if j > 0 {
				match.WriteString(" AND ")
			}
			match.WriteString(`"` + term(l.log, w) + `"`)
			if j == len(q.Words)-1 {
				match.WriteString(" *")
			}
		}
		match.WriteByte(')')
	}
	bounds, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("bounds: %w", err)
	}
	return rows(ctx, s, querySearch, func(r *sql.Rows) (h history.Hit, err error) {
		var log int64
		err = r.Scan(append(shown(&h.Shown), &log, &h.Place.Target)...)
		h.Channel, h.Place.At = names[log], h.At
		return h, err
	}, match.String(), string(q.User), q.Now, q.Before.At, q.Before.Target, string(bounds), limit)
}
