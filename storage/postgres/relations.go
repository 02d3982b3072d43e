package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/weft-im/weft/fabric"
)

// Blocked implements chats.Store.
func (s *DB) Blocked(ctx context.Context, by, other fabric.UserID) (bool, error) {
	blocked, err := rows(ctx, s, queryBlocked, pgx.RowTo[bool], by, other)
	return err == nil && blocked[0], err
}

// MayAdd implements chats.Store.
func (s *DB) MayAdd(ctx context.Context, adder fabric.UserID, users []fabric.UserID) ([]fabric.UserID, error) {
	return rows(ctx, s, queryMayAdd, pgx.RowTo[fabric.UserID], users, adder)
}

// ReadReceipts implements chats.Store.
func (s *DB) ReadReceipts(ctx context.Context, u fabric.UserID) (bool, error) {
	on, err := rows(ctx, s, queryReadReceipts, pgx.RowTo[bool], u)
	return err == nil && len(on) > 0 && on[0], err
}
