package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
)

// Loader fills an empty database, in one transaction.
type Loader struct {
	ctx context.Context
	tx  pgx.Tx
}

// Load fills the database with what work brings, as that of a fabric: all of it, or nothing where work fails. A database
// that has something in it is refused with fabric.CodeConflict.
func (s *DB) Load(ctx context.Context, fabricID string, work func(l *Loader) error) error {
	return failure(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Whoever starts a node on it meanwhile waits at its claim.
		tag, err := tx.Exec(ctx, `INSERT INTO fabric (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING`, fabricID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fabric.Errorf(fabric.CodeConflict, "the database belongs to a fabric already: name an empty one")
		}
		l := &Loader{ctx: ctx, tx: tx}
		if err := work(l); err != nil {
			return err
		}
		for _, t := range []string{"logs", "outbox"} {
			_, err := tx.Exec(ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%s', 'num'), max(num)) FROM %[1]s HAVING max(num) IS NOT NULL`, t))
			if err != nil {
				return fmt.Errorf("numbers of %s: %w", t, err)
			}
		}
		if _, err := tx.Exec(ctx, `ANALYZE`); err != nil { // plans for what is there, not for an empty database
			return fmt.Errorf("statistics: %w", err)
		}
		return nil
	}))
}

// Copy fills a table with rows until next says that there are no more, and returns how many the table has then. Text is
// made such that PostgreSQL takes it.
func (l *Loader) Copy(table string, columns []string, next func() ([]any, error)) (int64, error) {
	_, err := l.tx.CopyFrom(l.ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, err := next()
		for i, cell := range row {
			if text, ok := cell.(string); ok {
				row[i] = stored(text)
			}
		}
		return row, err
	}))
	if err != nil {
		return 0, fmt.Errorf("copy %s: %w", table, err)
	}
	var n int64
	if err := l.tx.QueryRow(l.ctx, `SELECT count(*) FROM `+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", table, err)
	}
	return n, nil
}

// Months places messages into months as the archive does. Messages come in the order of their shards and seqs.
type Months struct {
	shard int64
	month month
	begun [][]any
	last  map[int64]month
}

// NewMonths returns the months of no messages.
func NewMonths() *Months { return &Months{shard: -1, last: make(map[int64]month)} }

// Place returns the month of a message: that of its time, but none before that of a message with a lower seq.
func (p *Months) Place(shard, seq, at int64) int32 {
	if shard != p.shard {
		p.shard, p.month = shard, 0
	}
	if m := credible(at); m > p.month {
		p.month = m
		p.begun = append(p.begun, []any{shard, seq, int32(m)})
		p.last[shard] = m
	}
	return int32(p.month)
}

// Last returns the month of the newest message of a shard, 0 where there is none.
func (p *Months) Last(shard int64) int32 { return int32(p.last[shard]) }

// First returns the month that a channel without messages counts as being of.
func (p *Months) First(shard int64) int32 { return int32(max(p.last[shard], firstMonth)) }

// Begun returns the rows (shard, first_seq, month) of months.
func (p *Months) Begun() [][]any { return p.begun }

// Partitions makes the partitions of those months.
func (l *Loader) Partitions(p *Months) error {
	for _, row := range p.begun {
		m, ok := row[2].(int32)
		if !ok {
			continue
		}
		if err := makePartition(l.ctx, l.tx, month(m)); err != nil {
			return fmt.Errorf("make the partition of month %d: %w", m, err)
		}
	}
	return nil
}
