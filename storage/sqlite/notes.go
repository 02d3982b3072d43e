package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// messagePlace returns where a channel's message lies.
func messagePlace(ctx context.Context, t tx, c fabric.ChannelID, seq uint64) (int64, error) {
	var p int64
	err := t.QueryRowContext(ctx, `SELECT m.place FROM logs l CROSS JOIN messages m ON m.place = (l.shard << 48) + ?2 AND m.log = l.num
		WHERE l.channel_id = ?1`, string(c), seqArg(seq)).Scan(&p)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fabric.Errorf(fabric.CodeNotFound, "there is no message %d in channel %s", seq, c)
	}
	if err != nil {
		return 0, fmt.Errorf("look for message: %w", err)
	}
	return p, nil
}

// Hide implements history.Store.
func (s *DB) Hide(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64) error {
	return s.write.do(ctx, func(t tx) error {
		target, err := messagePlace(ctx, t, c, seq)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO hidden (user_id, target) VALUES (?, ?) ON CONFLICT DO NOTHING`, string(u), target); err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM stars WHERE user_id = ? AND target = ?`, string(u), target)
		return err
	})
}

// Star implements history.Store.
func (s *DB) Star(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64, on bool, at int64, most int) error {
	return s.write.do(ctx, func(t tx) error {
		target, err := messagePlace(ctx, t, c, seq)
		if err != nil {
			return err
		}
		if !on {
			_, err := t.exec(ctx, `DELETE FROM stars WHERE user_id = ? AND target = ?`, string(u), target)
			return err
		}
		var n int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM stars WHERE user_id = ? AND target <> ?`, string(u), target).Scan(&n); err != nil {
			return fmt.Errorf("count stars: %w", err)
		}
		if n >= most {
			return fabric.Errorf(fabric.CodeConflict, "you have starred %d messages, which is the most: unstar some", n)
		}
		_, err = t.exec(ctx, `INSERT INTO stars (user_id, target, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, string(u), target, at)
		return err
	})
}

// Starred implements history.Store.
func (s *DB) Starred(ctx context.Context, u fabric.UserID, now int64, after history.StarPlace, limit int) ([]history.StarredMessage, error) {
	return rows(ctx, s, queryStarred, func(r *sql.Rows) (m history.StarredMessage, err error) {
		m.Starred = true
		err = r.Scan(append(shown(&m.Shown), &m.Channel, &m.Place.At, &m.Place.Target)...)
		return m, err
	}, string(u), string(u), now, after.At, after.Target, limit)
}

// Pins implements history.Store.
func (s *DB) Pins(ctx context.Context, v history.View, limit int) ([]history.Shown, error) {
	pins, err := rows(ctx, s, queryPins, scanShown(v.Channel), string(v.Channel), string(v.User), v.Now, seqArg(v.From), limit)
	for i := range pins {
		pins[i].Pinned = true
	}
	return pins, err
}
