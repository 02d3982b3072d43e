package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// month is a calendar month (UTC) as messages are partitioned by it: 202611 for November 2026.
type month int32

// The months that a row can have.
const (
	firstMonth month = 1970_01
	lastMonth  month = 9999_12
)

// monthOf returns the month of a time in Unix milliseconds.
func monthOf(at int64) month {
	t := time.UnixMilli(at).UTC()
	return min(max(month(t.Year()*100+int(t.Month())), firstMonth), lastMonth)
}

func (m month) next() month {
	if m%100 == 12 {
		return m + 100 - 11
	}
	return m + 1
}

func (m month) before() month {
	if m%100 == 1 {
		return m - 100 + 11
	}
	return m - 1
}

// partitionLock is the advisory lock of whoever makes a partition.
const partitionLock = migrationLock + 1

// ensure makes the partitions of messages for those months that have none. Any number of processes may do so at once,
// while others read and write.
func (s *DB) ensure(ctx context.Context, months ...month) error {
	for _, m := range months {
		s.mu.Lock()
		_, known := s.months[m]
		s.mu.Unlock()
		if known {
			continue
		}
		err := s.do(ctx, func(ctx context.Context, tx pgx.Tx) error { return makePartition(ctx, tx, m) })
		if stateOf(err) == stateDuplicate {
			err = fmt.Errorf("there is a table messages_%d that is no partition of messages: "+
				"attach it again or give it another name: %w", m, err)
		}
		if err != nil {
			return fmt.Errorf("make the partition of month %d: %w", m, err)
		}
		s.mu.Lock()
		s.months[m] = struct{}{}
		s.mu.Unlock()
	}
	return nil
}

// forget drops what is known of partitions: somebody has detached one.
func (s *DB) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.months)
}

// makePartition makes the table first and attaches it then: that is a lock that reads and writes of other months do not
// wait for, where CREATE TABLE … PARTITION OF would hold all of them up.
func makePartition(ctx context.Context, tx pgx.Tx, m month) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, partitionLock); err != nil {
		return err
	}
	name := fmt.Sprintf("messages_%d", m)
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_inherits
		WHERE inhparent = 'messages'::regclass AND inhrelid = to_regclass($1) AND NOT inhdetachpending)`, name).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s (LIKE messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)`, name))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`ALTER TABLE messages ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, name, m, m.next()))
	return err
}
