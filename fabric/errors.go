package fabric

import (
	"errors"
	"fmt"
)

// Code is the stable name of an error: clients and other services decide by it, people read the message.
type Code string

// The codes, as PROTOCOL lists them. Their HTTP status is StatusOf's.
const (
	CodeBadRequest      Code = "bad_request"
	CodeUnauthenticated Code = "unauthenticated"
	CodeForbidden       Code = "forbidden"
	CodeNotFound        Code = "not_found"
	CodeConflict        Code = "conflict"
	CodeTooLarge        Code = "too_large"
	CodeRateLimited     Code = "rate_limited"
	CodeUnavailable     Code = "unavailable"
	CodeInternal        Code = "internal"
)

// Error is an error that may be shown to whoever caused it: it says what was wrong and what would be right.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf returns an Error with the code and the message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError returns the Error in err's chain. An error without one is nobody's to see: it becomes CodeInternal with a
// message that tells nothing, and ok is false so that the caller logs the original.
func AsError(err error) (e *Error, ok bool) {
	if errors.As(err, &e) {
		return e, true
	}
	return &Error{Code: CodeInternal, Message: "something went wrong on our side: try again"}, false
}

// CodeOf returns the code of err, CodeInternal where it has none.
func CodeOf(err error) Code {
	e, _ := AsError(err)
	return e.Code
}

// StatusOf returns the HTTP status that a code has.
func StatusOf(code Code) int {
	switch code {
	case CodeBadRequest:
		return 400
	case CodeUnauthenticated:
		return 401
	case CodeForbidden:
		return 403
	case CodeNotFound:
		return 404
	case CodeConflict:
		return 409
	case CodeTooLarge:
		return 413
	case CodeRateLimited:
		return 429
	case CodeUnavailable:
		return 503
	case CodeInternal:
		return 500
	}
	return 500
}
