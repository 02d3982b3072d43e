package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// emit writes records into the outbox. One that is there already stays.
func emit(ctx context.Context, tx pgx.Tx, records ...chats.Record) error {
	var b pgx.Batch
	for _, r := range records {
		told, err := json.Marshal(r.Told)
		if err != nil {
			return fmt.Errorf("record of %s: %w", r.Channel, err)
		}
		b.Queue(`INSERT INTO outbox (cid, channel_id, after_seq, sender, kind, body, told) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (cid) DO NOTHING`, r.CID, r.Channel, int64(r.After), r.From, r.Kind, string(r.Body), string(told)) // seqs < 2^48
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write into the outbox: %w", err)
	}
	return nil
}

// Outbox implements chats.Store.
func (s *DB) Outbox(ctx context.Context, limit int) ([]chats.Waiting, error) {
	return rows(ctx, s, queryOutbox, func(r pgx.CollectableRow) (w chats.Waiting, err error) {
		var after int64
		var told []byte
		if err = r.Scan(&w.Num, &w.CID, &w.Channel, &after, &w.From, &w.Kind, &w.Body, &told); err != nil {
			return w, err
		}
		w.After = uint64(after)
		return w, json.Unmarshal(told, &w.Told)
	}, limit)
}

// Waits implements chats.Store.
func (s *DB) Waits(ctx context.Context, cid string) (bool, error) {
	waits, err := rows(ctx, s, queryWaits, pgx.RowTo[bool], cid)
	return err == nil && waits[0], err
}

// Relayed implements chats.Store.
func (s *DB) Relayed(ctx context.Context, done []chats.Relayed) error {
	var groups []fabric.ChannelID // whose memberships change
	for _, d := range done {
		if len(d.Came)+len(d.Went) > 0 {
			groups = append(groups, d.Channel)
		}
	}
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockGroups(ctx, tx, groups); err != nil {
			return err
		}
		for _, d := range done {
			n, err := tx.Exec(ctx, `DELETE FROM outbox WHERE num = $1 AND cid = $2`, d.Num, d.CID)
			if err != nil {
				return err
			}
			if n.RowsAffected() == 0 {
				continue // another relay was quicker: what follows from it is there already
			}
			if err := relayed(ctx, tx, d); err != nil {
				return fmt.Errorf("record %s: %w", d.CID, err)
			}
		}
		return nil
	})
}

func relayed(ctx context.Context, tx pgx.Tx, d chats.Relayed) error {
	seq := int64(d.Seq) // seqs < 2^48
	if len(d.Came) > 0 {
		// Where they went again meanwhile, the oldest stay that has no beginning yet is the one which this record began. The
		// records that ended such stays wait behind this one.
		found, err := tx.Query(ctx, `UPDATE past_members p SET from_seq = $1 WHERE user_id = ANY($2) AND channel_id = $3 AND event =
			(SELECT q.event FROM past_members q JOIN outbox o ON o.cid = q.event
				WHERE q.user_id = p.user_id AND q.channel_id = $3 AND q.from_seq IS NULL ORDER BY o.num LIMIT 1)
			RETURNING user_id`, seq, d.Came, d.Channel)
		if err != nil {
			return err
		}
		went, err := pgx.CollectRows(found, pgx.RowTo[fabric.UserID])
		if err != nil {
			return err
		}
		here := slices.DeleteFunc(slices.Clone(d.Came), func(u fabric.UserID) bool { return slices.Contains(went, u) })
		if _, err := tx.Exec(ctx, `UPDATE members SET from_seq = $1 WHERE user_id = ANY($2) AND channel_id = $3 AND from_seq IS NULL`,
			seq, here, d.Channel); err != nil {
			return err
		}
	}
	if len(d.Went) > 0 {
		if _, err := tx.Exec(ctx, `UPDATE past_members SET upto_seq = $1 WHERE user_id = ANY($2) AND channel_id = $3 AND event = $4`,
			seq, d.Went, d.Channel, d.CID); err != nil {
			return err
		}
	}
	return emit(ctx, tx, d.Next...)
}

// Lease implements chats.Store.
func (s *DB) Lease(ctx context.Context, name, holder string, now, until int64) (held bool, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO leases AS l (name, holder, until) VALUES ($1, $2, $4)
			ON CONFLICT (name) DO UPDATE SET holder = $2, until = $4 WHERE l.holder = $2 OR l.until <= $3`, name, holder, now, until)
		held = n.RowsAffected() > 0
		return err
	})
	return held, err
}

// SetPrefs implements chats.Store.
func (s *DB) SetPrefs(ctx context.Context, u fabric.UserID, c fabric.ChannelID, change func(*fabric.Prefs), record func(fabric.Prefs) chats.Record) error {
	return s.once(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var p fabric.Prefs
		err := tx.QueryRow(ctx, `SELECT muted_until, archived, pinned, marked_unread FROM members
			WHERE user_id = $1 AND channel_id = $2 FOR NO KEY UPDATE`, u, c).Scan(&p.MutedUntil, &p.Archived, &p.Pinned, &p.MarkedUnread)
		if err != nil {
			return notIn(c, err)
		}
		was := p
		if change(&p); p == was {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE members SET muted_until = $1, archived = $2, pinned = $3, marked_unread = $4
			WHERE user_id = $5 AND channel_id = $6`, p.MutedUntil, p.Archived, p.Pinned, p.MarkedUnread, u, c); err != nil {
			return err
		}
		return emit(ctx, tx, record(p))
	})
}

// SetDisappear implements chats.Store.
func (s *DB) SetDisappear(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seconds int, record chats.Record) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var was int
		err := tx.QueryRow(ctx, `SELECT c.disappear FROM members m JOIN channels c ON c.id = m.channel_id
			WHERE m.user_id = $1 AND m.channel_id = $2 FOR NO KEY UPDATE OF c`, u, c).Scan(&was)
		if err != nil {
			return notIn(c, err)
		}
		if was == seconds {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE channels SET disappear = $1 WHERE id = $2`, seconds, c); err != nil {
			return err
		}
		return emit(ctx, tx, record)
	})
}

// notIn is what it means that there is no row of a member.
func notIn(c fabric.ChannelID, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errNotIn(c)
	}
	return fmt.Errorf("read member: %w", err)
}
