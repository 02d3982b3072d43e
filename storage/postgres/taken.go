package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/users"
)

// errOver takes back what was counted for a take that has no room.
var errOver = errors.New("over")

// Take implements users.Store. Each count is locked as it is raised, all in the order of their keys, so that two at once
// wait for each other and never for one another's.
func (s *DB) Take(ctx context.Context, takes []users.Take, now int64) (over int, err error) {
	order := make([]int, len(takes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(takes[a].Key, takes[b].Key) })
	err = s.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		over = -1
		for _, i := range order {
			take := takes[i]
			this, last := take.Periods(now)
			var n, before int64
			if err := tx.QueryRow(ctx, `INSERT INTO taken (key, period, n) VALUES ($1, $2, 1)
				ON CONFLICT (key, period) DO UPDATE SET n = taken.n + 1 RETURNING n`, take.Key, this).Scan(&n); err != nil {
				return fmt.Errorf("count what is taken: %w", err)
			}
			err := tx.QueryRow(ctx, `SELECT n FROM taken WHERE key = $1 AND period = $2`, take.Key, last).Scan(&before)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("read what was taken: %w", err)
			}
			if !take.Has(n, before, now) {
				over = i
				return errOver
			}
		}
		// What another one deletes or counts just now is left to the next.
		_, err := tx.Exec(ctx, `DELETE FROM taken WHERE (key, period) IN (
			SELECT key, period FROM taken WHERE period < $1 LIMIT 100 FOR UPDATE SKIP LOCKED)`, users.TakenBefore(now))
		return err
	})
	if errors.Is(err, errOver) {
		err = nil
	}
	return over, err
}
