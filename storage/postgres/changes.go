package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
)

// apply writes the records that change messages, and changes them. What can't be applied is kept as a record all the
// same: it is in the log, and devices are told of it.
func (a *archive) apply(ctx context.Context) error {
	if len(a.changes) == 0 {
		return nil
	}
	indexed, err := a.indexed(ctx)
	if err != nil {
		return err
	}
	for i := range a.changes {
		c := &a.changes[i]
		if err := a.applyOne(ctx, c, a.logs[c.Channel].num, indexed); err != nil {
			return fmt.Errorf("%s %d of %s: %w", c.Kind, c.Seq, c.Channel, err)
		}
	}
	return nil
}

// indexed returns up to where the shard's messages are indexed, and holds the indexer up until the transaction ends: it
// must not index a message as it was before.
func (a *archive) indexed(ctx context.Context) (seq int64, err error) {
	var b pgx.Batch
	b.Queue(`INSERT INTO indexed (shard, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING`, a.shard)
	b.Queue(`SELECT seq FROM indexed WHERE shard = $1 FOR NO KEY UPDATE`, a.shard).QueryRow(func(r pgx.Row) error { return r.Scan(&seq) })
	if err := a.tx.SendBatch(ctx, &b).Close(); err != nil {
		return 0, fmt.Errorf("how far is indexed: %w", err)
	}
	return seq, nil
}

func (a *archive) applyOne(ctx context.Context, c *history.Change, num, indexed int64) error {
	target := int64(c.Target)
	if _, err := a.tx.Exec(ctx, `INSERT INTO changes (log, seq, target, prev, at, sender, cid, kind, body, only_sender)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		num, int64(c.Seq), target, int64(c.Prev), c.At, stored(string(c.From)), stored(c.CID), stored(c.Kind), stored(string(c.Body)), c.Only); err != nil {
		return err
	}
	if c.Only {
		var theirs bool
		err := a.tx.QueryRow(ctx, `SELECT only_sender FROM messages WHERE log = $1 AND month = month_of($2, $3) AND seq = $3`,
			num, a.shard, target).Scan(&theirs)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("whose the message is to see: %w", err)
		}
		if !theirs {
			return a.dropLate(ctx, c, num)
		}
	}
	switch c.Kind {
	case fabric.MsgEdit:
		var kind string
		var month int32
		err := a.tx.QueryRow(ctx, `UPDATE messages SET body = $1, edited_at = $2
			WHERE log = $3 AND month = month_of($4, $5) AND seq = $5 AND sender = $6 AND deleted_at IS NULL RETURNING kind, month`,
			stored(string(c.New)), c.At, num, a.shard, target, c.From).Scan(&kind, &month)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return a.dropLate(ctx, c, num)
		case err == nil && target > indexed:
			return nil
		}
		if err != nil {
			return err
		}
		return putWords(ctx, a.tx, num, target, month, history.Words(kind, c.New))
	case fabric.MsgDelete:
		n, err := a.tx.Exec(ctx, `UPDATE messages SET kind = 'deleted', body = '{}', deleted_at = $1, edited_at = NULL
			WHERE log = $2 AND month = month_of($3, $4) AND seq = $4 AND deleted_at IS NULL`, c.At, num, a.shard, target)
		if err != nil || n.RowsAffected() == 0 {
			return err
		}
		return strip(ctx, a.tx, num, a.shard, target)
	case fabric.MsgReaction:
		return a.react(ctx, c, num)
	case fabric.MsgPin:
		return a.pin(ctx, c, num)
	}
	return nil
}

// dropLate takes away an edit of a message that is deleted or gone already: its text is to stay no more than the others'.
func (a *archive) dropLate(ctx context.Context, c *history.Change, num int64) error {
	if c.Kind != fabric.MsgEdit {
		return nil
	}
	_, err := a.tx.Exec(ctx, `WITH late AS (DELETE FROM changes WHERE log = $1 AND seq = $4 AND NOT EXISTS (SELECT 1`+there+`) RETURNING seq)
		INSERT INTO erasures (shard, seq) SELECT $2, seq FROM late ON CONFLICT DO NOTHING`, num, a.shard, int64(c.Target), int64(c.Seq))
	return err
}

// strip takes away what hangs on a message that is no more, and has its body and those of its edits erased from the log.
func strip(ctx context.Context, tx pgx.Tx, num int64, shard int, target int64) error {
	var b pgx.Batch
	b.Queue(`INSERT INTO erasures (shard, seq) SELECT $1::integer, $3::bigint UNION SELECT $1, seq FROM changes WHERE log = $2 AND target = $3 AND kind = 'edit'
		ON CONFLICT DO NOTHING`, shard, num, target)
	for _, query := range []string{
		`DELETE FROM changes WHERE log = $1 AND target = $2 AND kind = 'edit'`,
		`DELETE FROM reactions WHERE log = $1 AND target = $2`,
		`DELETE FROM stars WHERE log = $1 AND target = $2`,
		`DELETE FROM pins WHERE log = $1 AND target = $2`,
		`DELETE FROM words WHERE log = $1 AND seq = $2`,
	} {
		b.Queue(query, num, target)
	}
	forgetMedia(&b, num, target)
	return tx.SendBatch(ctx, &b).Close()
}

// there is the condition that a message is there to be reacted to or pinned.
const there = ` FROM messages WHERE log = $1 AND month = month_of($2, $3) AND seq = $3 AND deleted_at IS NULL`

func (a *archive) react(ctx context.Context, c *history.Change, num int64) error {
	if c.Emoji == "" {
		_, err := a.tx.Exec(ctx, `DELETE FROM reactions WHERE log = $1 AND target = $2 AND user_id = $3`, num, int64(c.Target), c.From)
		return err
	}
	_, err := a.tx.Exec(ctx, `INSERT INTO reactions (log, target, user_id, emoji, seq) SELECT log, seq, $4, $5, $6`+there+`
		ON CONFLICT (log, target, user_id) DO UPDATE SET emoji = excluded.emoji, seq = excluded.seq`,
		num, a.shard, int64(c.Target), c.From, c.Emoji, int64(c.Seq))
	return err
}

func (a *archive) pin(ctx context.Context, c *history.Change, num int64) error {
	if !c.On {
		_, err := a.tx.Exec(ctx, `DELETE FROM pins WHERE log = $1 AND target = $2`, num, int64(c.Target))
		return err
	}
	var b pgx.Batch
	b.Queue(`INSERT INTO pins (log, target, seq) SELECT log, seq, $4`+there+`
		ON CONFLICT (log, target) DO UPDATE SET seq = excluded.seq`, num, a.shard, int64(c.Target), int64(c.Seq))
	b.Queue(`DELETE FROM pins WHERE log = $1 AND target IN
		(SELECT target FROM pins WHERE log = $1 ORDER BY seq DESC OFFSET $2)`, num, contract.MaxPins)
	return a.tx.SendBatch(ctx, &b).Close()
}

// Expire implements history.Store.
func (s *DB) Expire(ctx context.Context, now int64, limit int) (removed int, err error) {
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		type gone struct {
			Log, Seq int64
			Shard    int
		}
		// Another process that does the same takes others.
		found, err := tx.Query(ctx, `SELECT log, seq, shard FROM messages WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`, now, limit)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(found, pgx.RowToStructByPos[gone])
		if err != nil {
			return err
		}
		removed = len(list)
		for _, m := range list {
			if err := strip(ctx, tx, m.Log, m.Shard, m.Seq); err != nil {
				return err
			}
			var b pgx.Batch
			b.Queue(`DELETE FROM changes WHERE log = $1 AND target = $2`, m.Log, m.Seq)
			b.Queue(`DELETE FROM hidden WHERE log = $1 AND target = $2`, m.Log, m.Seq)
			b.Queue(`DELETE FROM messages WHERE log = $1 AND month = month_of($3, $2) AND seq = $2`, m.Log, m.Seq, m.Shard)
			if err := tx.SendBatch(ctx, &b).Close(); err != nil {
				return err
			}
		}
		return nil
	})
	return removed, err
}

// Erasures implements history.Store.
func (s *DB) Erasures(ctx context.Context, limit int) ([]history.Erasure, error) {
	return rows(ctx, s, queryErasures, func(r pgx.CollectableRow) (e history.Erasure, err error) {
		var seq int64
		err = r.Scan(&e.Shard, &seq)
		e.Seq = uint64(seq)
		return e, err
	}, limit)
}

// Erased implements history.Store.
func (s *DB) Erased(ctx context.Context, done []history.Erasure) error {
	shards, seqs := make([]int32, len(done)), make([]int64, len(done))
	for i, e := range done {
		shards[i], seqs[i] = int32(e.Shard), int64(e.Seq)
	}
	return s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM erasures e USING unnest($1::integer[], $2::bigint[]) AS n (shard, seq)
			WHERE e.shard = n.shard AND e.seq = n.seq`, shards, seqs)
		return err
	})
}
