package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
)

// emit writes a record into the outbox. One that is there already stays.
func emit(ctx context.Context, t tx, r chats.Record) error {
	told, err := json.Marshal(r.Told)
	if err != nil {
		return fmt.Errorf("record of %s: %w", r.Channel, err)
	}
	_, err = t.exec(ctx, `INSERT INTO outbox (cid, channel_id, after_seq, sender, kind, body, told) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (cid) DO NOTHING`, r.CID, string(r.Channel), int64(r.After), string(r.From), r.Kind, string(r.Body), string(told)) // seqs < 2^48
	return err
}

// Outbox implements chats.Store.
func (s *DB) Outbox(ctx context.Context, limit int) ([]chats.Waiting, error) {
	return rows(ctx, s, queryOutbox, func(r *sql.Rows) (w chats.Waiting, err error) {
		var told []byte
		if err = r.Scan(&w.Num, &w.CID, &w.Channel, &w.After, &w.From, &w.Kind, &w.Body, &told); err != nil {
			return w, err
		}
		return w, json.Unmarshal(told, &w.Told)
	}, limit)
}

// Waits implements chats.Store.
func (s *DB) Waits(ctx context.Context, cid string) (bool, error) {
	n, err := rows(ctx, s, queryWaits, scanCount, cid)
	if err != nil {
		return false, err
	}
	return n[0] > 0, nil
}

// Relayed implements chats.Store.
func (s *DB) Relayed(ctx context.Context, done []chats.Relayed) error {
	return s.write.do(ctx, func(t tx) error {
		for _, d := range done {
			n, err := t.exec(ctx, `DELETE FROM outbox WHERE num = ? AND cid = ?`, d.Num, d.CID)
			if err != nil {
				return err
			}
			if n == 0 {
				continue // another relay was quicker: what follows from it is there already
			}
			if err := relayed(ctx, t, d); err != nil {
				return fmt.Errorf("record %s: %w", d.CID, err)
			}
		}
		return nil
	})
}

func relayed(ctx context.Context, t tx, d chats.Relayed) error {
	seq, c := int64(d.Seq), string(d.Channel) // seqs < 2^48
	for _, u := range d.Came {
		// Where they went again meanwhile, the oldest stay that has no beginning yet is the one which this record began. The
		// records that ended such stays wait behind this one.
		n, err := t.exec(ctx, `UPDATE past_members SET from_seq = ?1 WHERE user_id = ?2 AND channel_id = ?3 AND event =
			(SELECT p.event FROM past_members p JOIN outbox o ON o.cid = p.event
				WHERE p.user_id = ?2 AND p.channel_id = ?3 AND p.from_seq IS NULL ORDER BY o.num LIMIT 1)`, seq, string(u), c)
		if err == nil && n == 0 {
			_, err = t.exec(ctx, `UPDATE members SET from_seq = ? WHERE user_id = ? AND channel_id = ? AND from_seq IS NULL`, seq, string(u), c)
		}
		if err != nil {
			return err
		}
	}
	for _, u := range d.Went {
		if _, err := t.exec(ctx, `UPDATE past_members SET upto_seq = ? WHERE user_id = ? AND channel_id = ? AND event = ?`,
			seq, string(u), c, d.CID); err != nil {
			return err
		}
	}
	for _, r := range d.Next {
		if err := emit(ctx, t, r); err != nil {
			return err
		}
	}
	return nil
}

// Lease implements chats.Store.
func (s *DB) Lease(ctx context.Context, name, holder string, now, until int64) (held bool, err error) {
	err = s.write.do(ctx, func(t tx) error {
		n, err := t.exec(ctx, `INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?4)
			ON CONFLICT (name) DO UPDATE SET holder = ?2, until = ?4 WHERE holder = ?2 OR until <= ?3`, name, holder, now, until)
		held = n > 0
		return err
	})
	return held, err
}

// SetPrefs implements chats.Store.
func (s *DB) SetPrefs(ctx context.Context, u fabric.UserID, c fabric.ChannelID, change func(*fabric.Prefs), record func(fabric.Prefs) chats.Record) error {
	return s.write.do(ctx, func(t tx) error {
		var p fabric.Prefs
		err := t.QueryRowContext(ctx, `SELECT muted_until, archived, pinned, marked_unread FROM members WHERE user_id = ? AND channel_id = ?`,
			string(u), string(c)).Scan(&p.MutedUntil, &p.Archived, &p.Pinned, &p.MarkedUnread)
		if err != nil {
			return notIn(c, err)
		}
		was := p
		if change(&p); p == was {
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE members SET muted_until = ?, archived = ?, pinned = ?, marked_unread = ? WHERE user_id = ? AND channel_id = ?`,
			p.MutedUntil, p.Archived, p.Pinned, p.MarkedUnread, string(u), string(c)); err != nil {
			return err
		}
		return emit(ctx, t, record(p))
	})
}

// SetDisappear implements chats.Store.
func (s *DB) SetDisappear(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seconds int, record chats.Record) error {
	return s.write.do(ctx, func(t tx) error {
		var was int
		err := t.QueryRowContext(ctx, `SELECT c.disappear FROM members m JOIN channels c ON c.id = m.channel_id
			WHERE m.user_id = ? AND m.channel_id = ?`, string(u), string(c)).Scan(&was)
		if err != nil {
			return notIn(c, err)
		}
		if was == seconds {
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE channels SET disappear = ? WHERE id = ?`, seconds, string(c)); err != nil {
			return err
		}
		return emit(ctx, t, record)
	})
}

// notIn is what it means that there is no row of a member.
func notIn(c fabric.ChannelID, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fabric.Errorf(fabric.CodeForbidden, "you are not in channel %s", c)
	}
	return fmt.Errorf("read member: %w", err)
}
