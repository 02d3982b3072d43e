// Package move brings a fabric's SQL from SQLite to PostgreSQL: all of it, in one transaction, while no process of the
// fabric runs. What the logs have beyond the archive is archived by the fabric once it runs again.
//
// Two things are left: leases, whose holders are gone, and the index of the search, which the fabric makes anew beside
// its work.
package move

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/sqlite"
)

// table is how a table's rows come out of SQLite and into PostgreSQL: in the columns' order.
type table struct {
	name    string
	columns []string
	query   string
	flags   []int // columns that are booleans in PostgreSQL, integers in SQLite
}

// A place in SQLite is shard << 48 | seq.
const seqBits = 48

var tables = []table{
	{
		name: "users", flags: []int{7},
		columns: []string{"id", "phone", "name", "created_at", "about", "avatar", "show_seen", "show_read", "may_group", "deleted_at", "service"},
		query:   `SELECT id, phone, name, created_at, about, avatar, show_seen, show_read, may_group, deleted_at, service FROM users`,
	},
	{
		name: "services", flags: []int{2, 3},
		columns: []string{"name", "user_id", "may_users", "may_groups", "rate", "credential", "webhook", "secret", "created_at", "removed_at"},
		query:   `SELECT name, user_id, may_users, may_groups, rate, credential, webhook, secret, created_at, removed_at FROM services`,
	},
	{
		name:    "service_sends",
		columns: []string{"user_id", "cid", "channel", "at"},
		query:   `SELECT user_id, cid, channel, at FROM service_sends`,
	},
	{
		name:    "taken",
		columns: []string{"key", "period", "n"},
		query:   `SELECT key, period, n FROM taken`,
	},
	{
		name:    "identities",
		columns: []string{"issuer", "subject", "user_id"},
		query:   `SELECT issuer, subject, user_id FROM identities`,
	},
	{
		name: "devices",
		columns: []string{
			"id", "user_id", "name", "platform", "public_key", "created_at", "seen_at", "revoked_at",
			"refresh_family", "refresh_once", "refresh_spent", "refresh_attempt", "refresh_expires",
		},
		query: `SELECT id, user_id, name, platform, public_key, created_at, seen_at, revoked_at,
			refresh_family, refresh_once, refresh_spent, refresh_attempt, refresh_expires FROM devices`,
	},
	{
		name: "push_devices", flags: []int{6},
		columns: []string{"device_id", "user_id", "kind", "address", "hash", "show", "mentions", "created_at"},
		query:   `SELECT device_id, user_id, kind, address, hash, show, mentions, created_at FROM push_devices`,
	},
	{
		name:    "push_positions",
		columns: []string{"shard", "seq"},
		query:   `SELECT shard, seq FROM push_positions`,
	},
	{
		name:    "push_keys",
		columns: []string{"name", "value"},
		query:   `SELECT name, value FROM push_keys`,
	},
	{
		name:    "codes",
		columns: []string{"phone", "hash", "tries", "expires_at"},
		query:   `SELECT phone, hash, tries, expires_at FROM codes`,
	},
	{
		name:    "blocks",
		columns: []string{"user_id", "blocked_id", "created_at"},
		query:   `SELECT user_id, blocked_id, created_at FROM blocks`,
	},
	{
		name:    "contacts",
		columns: []string{"user_id", "contact_id"},
		query:   `SELECT user_id, contact_id FROM contacts`,
	},
	{
		name:    "channels",
		columns: []string{"id", "kind", "created_at", "disappear"},
		query:   `SELECT id, kind, created_at, disappear FROM channels`,
	},
	{
		name:    "groups",
		columns: []string{"channel_id", "name", "about", "avatar", "created_by", "cid", "send", "change", "history", "entry", "members"},
		query:   `SELECT channel_id, name, about, avatar, created_by, cid, send, change, history, entry, members FROM groups`,
	},
	{
		name: "members", flags: []int{6, 7, 8},
		columns: []string{"user_id", "channel_id", "rank", "from_seq", "joined_at", "muted_until", "archived", "pinned", "marked_unread"},
		query:   `SELECT user_id, channel_id, rank, from_seq, joined_at, muted_until, archived, pinned, marked_unread FROM members`,
	},
	{
		name:    "past_members",
		columns: []string{"user_id", "channel_id", "event", "from_seq", "upto_seq"},
		query:   `SELECT user_id, channel_id, event, from_seq, upto_seq FROM past_members`,
	},
	{
		name:    "invites",
		columns: []string{"code", "channel_id", "created_by", "created_at", "expires_at", "uses", "used", "revoked_at"},
		query:   `SELECT code, channel_id, created_by, created_at, expires_at, uses, used, revoked_at FROM invites`,
	},
	{
		name:    "objects",
		columns: []string{"sha256", "blob", "size", "type", "state", "width", "height", "preview", "thumb", "thumb_size"},
		query:   `SELECT sha256, blob, size, type, state, width, height, preview, thumb, thumb_size FROM objects`,
	},
	{
		name: "media", flags: []int{6},
		columns: []string{"id", "sha256", "user_id", "channel_id", "name", "created_at", "sent", "idle_at"},
		query:   `SELECT id, sha256, user_id, channel_id, name, created_at, sent, idle_at FROM media`,
	},
	{
		name:    "media_refs",
		columns: []string{"media", "log", "seq"},
		query:   `SELECT r.media, m.log, r.place & 0xFFFFFFFFFFFF FROM media_refs r CROSS JOIN messages m ON m.place = r.place`,
	},
	{
		name:    "media_holds",
		columns: []string{"media", "user_id", "cid", "until"},
		query:   `SELECT media, user_id, cid, until FROM media_holds`,
	},
	{
		name:    "media_erasures",
		columns: []string{"blob"},
		query:   `SELECT blob FROM media_erasures`,
	},
	{
		name:    "media_spent",
		columns: []string{"user_id", "day", "bytes"},
		query:   `SELECT user_id, day, bytes FROM media_spent`,
	},
	{
		name:    "media_keys",
		columns: []string{"created_at", "key"},
		query:   `SELECT created_at, key FROM media_keys`,
	},
	{
		name:    "outbox",
		columns: []string{"num", "cid", "channel_id", "after_seq", "sender", "kind", "body", "told"},
		query:   `SELECT num, cid, channel_id, after_seq, sender, kind, body, told FROM outbox ORDER BY num`,
	},
	{
		name: "changes", flags: []int{9},
		columns: []string{"log", "seq", "target", "prev", "at", "sender", "cid", "kind", "body", "only_sender"},
		query: `SELECT log, place & 0xFFFFFFFFFFFF, target & 0xFFFFFFFFFFFF, prev, at, sender, cid, kind, body, only_sender
			FROM changes ORDER BY place`,
	},
	{
		name:    "pins",
		columns: []string{"log", "target", "seq"},
		query:   `SELECT log, target & 0xFFFFFFFFFFFF, place & 0xFFFFFFFFFFFF FROM pins`,
	},
	// These say by its place alone which message they are about. Of one that is gone there is nothing to be kept.
	{
		name:    "reactions",
		columns: []string{"log", "target", "user_id", "emoji", "seq"},
		query: `SELECT m.log, r.target & 0xFFFFFFFFFFFF, r.user_id, r.emoji, r.place & 0xFFFFFFFFFFFF
			FROM reactions r JOIN messages m ON m.place = r.target`,
	},
	{
		name:    "stars",
		columns: []string{"user_id", "log", "target", "at"},
		query:   `SELECT s.user_id, m.log, s.target & 0xFFFFFFFFFFFF, s.at FROM stars s JOIN messages m ON m.place = s.target`,
	},
	{
		name:    "hidden",
		columns: []string{"user_id", "log", "target"},
		query:   `SELECT h.user_id, m.log, h.target & 0xFFFFFFFFFFFF FROM hidden h JOIN messages m ON m.place = h.target`,
	},
	{
		name:    "erasures",
		columns: []string{"shard", "seq"},
		query:   `SELECT place >> 48, place & 0xFFFFFFFFFFFF FROM erasures`,
	},
}

// Move fills an empty PostgreSQL with what a SQLite has. done is called for each table with how many rows it has got.
func Move(ctx context.Context, from *sqlite.DB, to *postgres.DB, done func(table string, rows int64)) error {
	fabricID := ""
	if err := from.Each(ctx, `SELECT id FROM fabric`, func(row []any) error {
		fabricID, _ = row[0].(string)
		return nil
	}); err != nil {
		return err
	}
	if fabricID == "" {
		return errors.New("the SQLite database is of no fabric yet: there is nothing to move")
	}
	if owner, err := to.Fabric(ctx); err != nil || owner == fabricID {
		return err // it was moved, and that was broken off before anybody was told
	}
	return to.Load(ctx, fabricID, func(l *postgres.Loader) error {
		m := mover{ctx: ctx, from: from, to: l, done: done}
		for _, t := range tables {
			if err := m.copy(t.name, t.columns, m.rows(t.query, func(row []any) {
				for _, i := range t.flags {
					row[i] = row[i] != int64(0)
				}
			})); err != nil {
				return err
			}
		}
		return m.archive()
	})
}

type mover struct {
	ctx  context.Context
	from *sqlite.DB
	to   *postgres.Loader
	done func(string, int64)
}

// rows returns the rows of a query, each as change makes it.
func (m *mover) rows(query string, change func(row []any)) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		stop := errors.New("no more are wanted")
		err := m.from.Each(m.ctx, query, func(row []any) error {
			change(row)
			if !yield(row, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(nil, err)
		}
	}
}

// copy copies rows into a table, and makes sure that all of them are there.
func (m *mover) copy(name string, columns []string, rows iter.Seq2[[]any, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	sent := int64(0)
	has, err := m.to.Copy(name, columns, func() ([]any, error) {
		row, err, more := next()
		if !more {
			return nil, nil
		}
		sent++
		return row, err
	})
	if err != nil {
		return err
	}
	if has != sent {
		return fmt.Errorf("%s has %d rows of %d", name, has, sent)
	}
	m.done(name, has)
	return nil
}

// log is what PostgreSQL has of a channel with messages.
type log struct {
	channel          any
	shard, disappear int64
	first, month     int32 // of the oldest and of the newest message
	head, at, last   int64
	num              int64
}

// archive copies messages, and what follows from them: SQLite finds by its places what PostgreSQL has rows for.
func (m *mover) archive() error {
	var order []*log
	logs := make(map[int64]*log)
	err := m.from.Each(m.ctx, `SELECT num, channel_id, shard, disappear, head & 0xFFFFFFFFFFFF FROM logs ORDER BY num`, func(row []any) error {
		l := &log{num: number(row[0]), channel: row[1], shard: number(row[2]), disappear: number(row[3]), last: number(row[4])}
		logs[l.num] = l
		order = append(order, l)
		return nil
	})
	if err != nil {
		return err
	}
	months := postgres.NewMonths()
	err = m.from.Each(m.ctx, `SELECT log, place, at FROM messages ORDER BY place`, func(row []any) error {
		place, at := number(row[1]), number(row[2])
		seq := place & (1<<seqBits - 1)
		month := months.Place(place>>seqBits, seq, at)
		l := logs[number(row[0])]
		if l == nil {
			return fmt.Errorf("message %d of shard %d is of no channel", seq, place>>seqBits)
		}
		if l.first == 0 {
			l.first = month
		}
		l.head, l.at, l.month, l.last = seq, at, month, max(l.last, seq)
		return nil
	})
	if err != nil {
		return err
	}
	err = m.from.Each(m.ctx, `SELECT log, max(place) & 0xFFFFFFFFFFFF FROM changes GROUP BY log`, func(row []any) error {
		if l := logs[number(row[0])]; l != nil {
			l.last = max(l.last, number(row[1]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := m.to.Partitions(months); err != nil {
		return err
	}
	if err := m.copy("months", []string{"shard", "first_seq", "month"}, listed(months.Begun())); err != nil {
		return err
	}
	if err := m.copy("archived", []string{"shard", "seq", "month"}, m.rows(`SELECT shard, seq, 0 FROM archived`, func(row []any) {
		row[2] = months.Last(number(row[0]))
	})); err != nil {
		return err
	}
	if err := m.copy("logs", []string{"num", "channel_id", "shard", "first_month", "head_seq", "head_at", "head_month", "disappear", "last_seq"},
		func(yield func([]any, error) bool) {
			for _, l := range order {
				if l.first == 0 {
					l.first = months.First(l.shard)
					l.month = l.first
				}
				if !yield([]any{l.num, l.channel, l.shard, l.first, l.head, l.at, l.month, l.disappear, l.last}, nil) {
					return
				}
			}
		}); err != nil {
		return err
	}
	again := postgres.NewMonths()
	return m.copy("messages", []string{
		"month", "shard", "seq", "log", "prev", "at", "sender", "cid", "kind", "body", "only_sender", "edited_at", "deleted_at", "expires_at",
	}, m.rows(`SELECT 0, place, 0, log, prev, at, sender, cid, kind, body, only_sender, edited_at, deleted_at, expires_at
		FROM messages ORDER BY place`, func(row []any) {
		place := number(row[1])
		row[1], row[2], row[10] = place>>seqBits, place&(1<<seqBits-1), row[10] != int64(0)
		row[0] = again.Place(place>>seqBits, place&(1<<seqBits-1), number(row[5]))
	}))
}

func listed(rows [][]any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// number is an integer cell; NULL, which those that are asked for have not, is 0.
func number(cell any) int64 {
	n, _ := cell.(int64)
	return n
}
