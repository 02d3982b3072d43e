package sqlite

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/users"
)

// Take implements users.Store.
func (s *DB) Take(ctx context.Context, takes []users.Take, now int64) (over int, err error) {
	err = s.write.do(ctx, func(t tx) error {
		over = -1
		for i, take := range takes {
			this, last := take.Periods(now)
			var n, before int64
			err := t.QueryRowContext(ctx, `SELECT coalesce(sum(CASE period WHEN ? THEN n END), 0), coalesce(sum(CASE period WHEN ? THEN n END), 0)
				FROM taken WHERE key = ? AND period >= ?`, this, last, take.Key, last).Scan(&n, &before)
			if err != nil {
				return fmt.Errorf("read what was taken: %w", err)
			}
			if !take.Has(n+1, before, now) {
				over = i
				return nil
			}
		}
		for _, take := range takes {
			this, _ := take.Periods(now)
			if _, err := t.exec(ctx, `INSERT INTO taken (key, period, n) VALUES (?, ?, 1) ON CONFLICT (key, period) DO UPDATE SET n = n + 1`,
				take.Key, this); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, `DELETE FROM taken WHERE period < ?`, users.TakenBefore(now))
		return err
	})
	return over, err
}
