package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// writer is the one connection that writes with a mode of syncing. Transactions of all writers take turns.
type writer struct {
	db   *sql.DB
	turn *sync.Mutex
	// Statements prepared on the connection, by their SQL, and those that a transaction missed; guarded by turn.
	stmts  map[string]*sql.Stmt
	missed []string
}

func openWriter(path, synchronous string, turn *sync.Mutex) (*writer, error) {
	db, err := open(path, synchronous)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return &writer{db: db, turn: turn, stmts: make(map[string]*sql.Stmt)}, nil
}

func (w *writer) close() error { return w.db.Close() } //nolint:wrapcheck // Close says of what

// do runs f in a transaction, which is committed unless f fails. f ends quickly: all other writers wait.
func (w *writer) do(ctx context.Context, f func(tx) error) error {
	w.turn.Lock()
	defer w.turn.Unlock()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	t, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx{t, w}); err != nil {
		if rollback := t.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// prepare makes the statements that earlier transactions missed: during one, the pool has no connection to do it on.
func (w *writer) prepare(ctx context.Context) error {
	for _, query := range w.missed {
		if w.stmts[query] != nil {
			continue
		}
		st, err := w.db.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		w.stmts[query] = st
	}
	w.missed = nil
	return nil
}

// tx is a transaction with its writer's prepared statements.
type tx struct {
	*sql.Tx
	w *writer
}

func (t tx) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := t.w.stmts[query]; st != nil {
		return t.StmtContext(ctx, st), nil
	}
	t.w.missed = append(t.w.missed, query)
	st, err := t.PrepareContext(ctx, query) // lives as long as the transaction
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return st, nil
}

// exec runs a write and tells how many rows it changed.
func (t tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	st, err := t.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return n, nil
}
