package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// change writes a record that changes a message, and changes it. What can't be applied is kept as a record all the same:
// it is in the log, and devices are told of it.
func change(ctx context.Context, t tx, shard int, log int64, c *history.Change) error {
	at, target := place(shard, c.Seq), place(shard, c.Target)
	n, err := t.exec(ctx, `INSERT INTO changes (place, log, target, prev, at, sender, cid, kind, body, only_sender)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		at, log, target, int64(c.Prev), c.At, string(c.From), c.CID, c.Kind, string(c.Body), c.Only)
	if err != nil || n == 0 {
		return err
	}
	if c.Only {
		var theirs bool
		err := t.QueryRowContext(ctx, `SELECT only_sender FROM messages WHERE place = ? AND log = ?`, target, log).Scan(&theirs)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("whose the message is to see: %w", err)
		}
		if !theirs {
			return dropLate(ctx, t, log, target, at, c.Kind)
		}
	}
	switch c.Kind {
	case fabric.MsgEdit:
		err := reindex(ctx, t, shard, log, target, func() (err error) {
			n, err = t.exec(ctx, `UPDATE messages SET body = ?, edited_at = ? WHERE place = ? AND log = ? AND sender = ? AND deleted_at IS NULL`,
				string(c.New), c.At, target, log, string(c.From))
			return err
		})
		if err != nil || n > 0 {
			return err
		}
		return dropLate(ctx, t, log, target, at, c.Kind)
	case fabric.MsgDelete:
		return reindex(ctx, t, shard, log, target, func() error { return remove(ctx, t, log, target, c.At) })
	case fabric.MsgReaction:
		return react(ctx, t, log, target, at, c)
	case fabric.MsgPin:
		return pin(ctx, t, log, target, at, c.On)
	}
	return nil
}

// dropLate takes away an edit of a message that is deleted or gone already: its text is to stay no more than the others'.
// Where the channel ends stays known.
func dropLate(ctx context.Context, t tx, log, target, at int64, kind string) error {
	if kind != fabric.MsgEdit {
		return nil
	}
	n, err := t.exec(ctx, `INSERT INTO erasures (place) SELECT ?1 WHERE NOT EXISTS
		(SELECT 1 FROM messages WHERE place = ?2 AND log = ?3 AND deleted_at IS NULL) ON CONFLICT DO NOTHING`, at, target, log)
	if err != nil || n == 0 {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE logs SET head = max(head, ?) WHERE num = ?`, at, log); err != nil {
		return err
	}
	_, err = t.exec(ctx, `DELETE FROM changes WHERE place = ?`, at)
	return err
}

// remove makes a message a deleted one. Its body leaves here, and the log by the erasures.
func remove(ctx context.Context, t tx, log, target, at int64) error {
	n, err := t.exec(ctx, `UPDATE messages SET kind = 'deleted', body = '{}', deleted_at = ?, edited_at = NULL
		WHERE place = ? AND log = ? AND deleted_at IS NULL`, at, target, log)
	if err != nil || n == 0 {
		return err
	}
	return strip(ctx, t, target)
}

// strip takes away what hangs on a message that is no more, and has its body and those of its edits erased from the log.
func strip(ctx context.Context, t tx, target int64) error {
	for _, query := range []string{
		`INSERT INTO erasures (place) SELECT ?1 UNION SELECT place FROM changes WHERE target = ?1 AND kind = 'edit' ON CONFLICT DO NOTHING`,
		`DELETE FROM changes WHERE target = ?1 AND kind = 'edit'`,
		`DELETE FROM reactions WHERE target = ?1`,
		`DELETE FROM stars WHERE target = ?1`,
		`DELETE FROM pins WHERE log = (SELECT log FROM messages WHERE place = ?1) AND target = ?1`,
	} {
		if _, err := t.exec(ctx, query, target); err != nil {
			return err
		}
	}
	return forgetMedia(ctx, t, target)
}

// there is the condition that a message is there to be reacted to or pinned.
const there = ` FROM messages WHERE place = ? AND log = ? AND deleted_at IS NULL`

func react(ctx context.Context, t tx, log, target, at int64, c *history.Change) error {
	if c.Emoji == "" {
		_, err := t.exec(ctx, `DELETE FROM reactions WHERE target = ? AND user_id = ?`, target, string(c.From))
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO reactions (target, user_id, emoji, place) SELECT place, ?, ?, ?`+there+`
		ON CONFLICT (target, user_id) DO UPDATE SET emoji = excluded.emoji, place = excluded.place`,
		string(c.From), c.Emoji, at, target, log)
	return err
}

func pin(ctx context.Context, t tx, log, target, at int64, on bool) error {
	if !on {
		_, err := t.exec(ctx, `DELETE FROM pins WHERE log = ? AND target = ?`, log, target)
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO pins (log, target, place) SELECT log, place, ?`+there+`
		ON CONFLICT (log, target) DO UPDATE SET place = excluded.place`, at, target, log); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM pins WHERE log = ?1 AND target IN
		(SELECT target FROM pins WHERE log = ?1 ORDER BY place DESC LIMIT -1 OFFSET ?2)`, log, contract.MaxPins)
	return err
}

// Expire implements history.Store.
func (s *DB) Expire(ctx context.Context, now int64, limit int) (removed int, err error) {
	err = s.log.do(ctx, func(t tx) error {
		places, err := expired(ctx, t, now, limit)
		if err != nil {
			return err
		}
		removed = len(places)
		for _, target := range places {
			if err := reindex(ctx, t, int(target>>48), 0, target, func() error {
				_, err := t.exec(ctx, `UPDATE messages SET body = '{}' WHERE place = ?`, target)
				return err
			}); err != nil {
				return err
			}
			// The channel may end with it, or with what changed it.
			if _, err := t.exec(ctx, `UPDATE logs SET head = max(head, ?1, coalesce((SELECT max(place) FROM changes WHERE target = ?1), 0))
				WHERE num = (SELECT log FROM messages WHERE place = ?1)`, target); err != nil {
				return err
			}
			if err := strip(ctx, t, target); err != nil {
				return err
			}
			for _, query := range []string{
				`DELETE FROM changes WHERE target = ?1`,
				`DELETE FROM hidden WHERE target = ?1`,
				`DELETE FROM messages WHERE place = ?1`,
			} {
				if _, err := t.exec(ctx, query, target); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return removed, err
}

func expired(ctx context.Context, t tx, now int64, limit int) (places []int64, err error) {
	st, err := t.stmt(ctx, `SELECT place FROM messages WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`)
	if err != nil {
		return nil, err
	}
	found, err := st.QueryContext(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var p int64
		if err := found.Scan(&p); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, found.Err()
}

// Erasures implements history.Store.
func (s *DB) Erasures(ctx context.Context, limit int) ([]history.Erasure, error) {
	return rows(ctx, s, queryErasures, func(r *sql.Rows) (e history.Erasure, err error) {
		var p int64
		err = r.Scan(&p)
		return history.Erasure{Shard: int(p >> 48), Seq: uint64(p & mostSeq)}, err
	}, limit)
}

// Erased implements history.Store.
func (s *DB) Erased(ctx context.Context, done []history.Erasure) error {
	return s.log.do(ctx, func(t tx) error {
		for _, e := range done {
			if _, err := t.exec(ctx, `DELETE FROM erasures WHERE place = ?`, place(e.Shard, e.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
}
