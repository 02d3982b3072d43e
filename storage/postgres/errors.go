package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weft-im/weft/fabric"
)

// SQLSTATEs, PostgreSQL's documentation, appendix A.
const (
	stateForeignKey   = "23503"
	stateUnique       = "23505"
	stateCheck        = "23514" // also: no partition takes the row
	stateSerialize    = "40001"
	stateDeadlock     = "40P01"
	stateDuplicate    = "42P07" // a table that is there already
	stateReadOnly     = "25006" // a standby, after a failover
	stateCancelled    = "57014" // a statement's own time limit
	stateNotUTF8      = "22021"
	stateUntranslated = "22P05"
)

// stateOf returns the SQLSTATE of an error that the server sent, "" of another.
func stateOf(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// lostToAnother reports whether a transaction was rolled back in favour of another one and may well pass now.
func lostToAnother(err error) bool {
	state := stateOf(err)
	return state == stateSerialize || state == stateDeadlock
}

// failure gives an error that says that the database is away a fabric.Error with CodeUnavailable, and one that comes
// of text that no database of this encoding takes one with CodeBadRequest. Others stay as they are.
func failure(err error) error {
	var known *fabric.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case unavailable(err):
		return fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeUnavailable, "the database does not answer: try again in a moment"), err)
	case stateOf(err) == stateNotUTF8 || stateOf(err) == stateUntranslated:
		return fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeBadRequest, "text must be UTF-8 without NUL characters"), err)
	}
	return err
}

func unavailable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false // whoever asked has gone
	}
	if state := stateOf(err); state != "" {
		switch state[:2] {
		case "08", // the connection
			"53", // too many connections, out of memory or disk
			"58": // an error of its system
			return true
		case "57": // it was shut down, or is starting
			return true
		}
		return state == stateReadOnly || state == stateSerialize || state == stateDeadlock
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
