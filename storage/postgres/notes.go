package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// logOf returns the number of a channel that has a message with this seq.
func logOf(ctx context.Context, tx pgx.Tx, c fabric.ChannelID, seq uint64) (num int64, err error) {
	err = tx.QueryRow(ctx, `SELECT l.num FROM logs l JOIN messages m ON m.log = l.num AND m.month = month_of(l.shard, $2) AND m.seq = $2
		WHERE l.channel_id = $1`, c, seqArg(seq)).Scan(&num)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fabric.Errorf(fabric.CodeNotFound, "there is no message %d in channel %s", seq, c)
	}
	if err != nil {
		return 0, fmt.Errorf("look for message: %w", err)
	}
	return num, nil
}

// Hide implements history.Store.
func (s *DB) Hide(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		num, err := logOf(ctx, tx, c, seq)
		if err != nil {
			return err
		}
		var b pgx.Batch
		b.Queue(`INSERT INTO hidden (user_id, log, target) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, u, num, seqArg(seq))
		b.Queue(`DELETE FROM stars WHERE user_id = $1 AND log = $2 AND target = $3`, u, num, seqArg(seq))
		return tx.SendBatch(ctx, &b).Close()
	})
}

// Star implements history.Store.
func (s *DB) Star(ctx context.Context, u fabric.UserID, c fabric.ChannelID, seq uint64, on bool, at int64, most int) error {
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		num, err := logOf(ctx, tx, c, seq)
		if err != nil {
			return err
		}
		if !on {
			_, err := tx.Exec(ctx, `DELETE FROM stars WHERE user_id = $1 AND log = $2 AND target = $3`, u, num, seqArg(seq))
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM stars WHERE user_id = $1 AND (log, target) <> ($2, $3)`, u, num, seqArg(seq)).Scan(&n); err != nil {
			return fmt.Errorf("count stars: %w", err)
		}
		if n >= most {
			return fabric.Errorf(fabric.CodeConflict, "you have starred %d messages, which is the most: unstar some", n)
		}
		_, err = tx.Exec(ctx, `INSERT INTO stars (user_id, log, target, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, u, num, seqArg(seq), at)
		return err
	})
}

// Starred implements history.Store.
func (s *DB) Starred(ctx context.Context, u fabric.UserID, now int64, after history.StarPlace, limit int) ([]history.StarredMessage, error) {
	return rows(ctx, s, queryStarred, func(r pgx.CollectableRow) (m history.StarredMessage, err error) {
		var row shownRow
		err = r.Scan(append(row.into(), &row.Channel, &m.Place.At, &m.Place.Target)...)
		m.Shown = row.shown()
		m.Starred = true
		return m, err
	}, u, u, now, after.At, after.Target, limit)
}

// Pins implements history.Store.
func (s *DB) Pins(ctx context.Context, v history.View, limit int) ([]history.Shown, error) {
	pins, err := rows(ctx, s, queryPins, scanShown(v.Channel), v.Channel, v.User, v.Now, seqArg(v.From), limit)
	for i := range pins {
		pins[i].Pinned = true
	}
	return pins, err
}
