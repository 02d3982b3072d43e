package sqlite

import (
	"context"
	"fmt"
)

// Each calls f with each row of a query, for what brings the database elsewhere. A cell is nil, an int64, a string or a
// []byte; the row is f's only until it returns.
func (s *DB) Each(ctx context.Context, query string, f func(row []any) error) error {
	rows, err := s.read.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what counts
	names, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	row, into := make([]any, len(names)), make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		if err := f(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	return nil
}
