package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/weft-im/weft/fabric"
)

// tusError is err as the library answers with it; tusWriter makes it a problem again.
func tusError(err error) error {
	var theirs tusd.Error
	if err == nil || errors.As(err, &theirs) {
		return err
	}
	e, known := fabric.AsError(err)
	if !known && !errors.Is(err, context.Canceled) {
		slog.Default().Error("an upload failed", "err", err)
	}
	return tusd.NewError(ourError+string(e.Code), e.Message, fabric.StatusOf(e.Code))
}

const ourError = "weft:"

// tusWriter brings what the library answers into the form of this API: errors as problems, the upload's address without
// its host, which a proxy may have another one for, and what the library does not tell of.
type tusWriter struct {
	http.ResponseWriter

	call    *tusCall
	refused func(*fabric.Error)
	wrote   bool
	problem *problemBody // takes the error's text
}

type problemBody struct{ status int }

// Unwrap is for http.ResponseController.
func (w *tusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tusWriter) WriteHeader(status int) {
	h := w.Header()
	secure(w, "no-store")
	if exts := h.Get("Tus-Extension"); exts != "" {
		h.Set("Tus-Extension", exts+",expiration,checksum")
		h.Set("Tus-Checksum-Algorithm", checksumAlgorithms)
	}
	if at := h.Get("Location"); at != "" {
		if i := strings.Index(at, uploadsPath); i >= 0 {
			h.Set("Location", at[i:])
		}
	}
	if w.call != nil && status < http.StatusBadRequest {
		if w.call.media != "" {
			h.Set("Weft-Media", string(w.call.media))
		} else if !w.call.expires.IsZero() {
			h.Set("Upload-Expires", w.call.expires.UTC().Format(http.TimeFormat))
		}
	}
	if status >= http.StatusBadRequest {
		h.Del("Content-Length")
		if w.call != nil {
			// Where the wait for the body was broken off, net/http takes the connection for gone: it is of no more use.
			h.Set("Connection", "close")
		}
		w.problem = &problemBody{status}
		if !w.wrote && h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/problem+json")
		}
		w.wrote = true
		return // the text comes with Write, which all of the library's errors have but those of HEAD
	}
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *tusWriter) Write(b []byte) (int, error) {
	if w.problem == nil {
		return w.ResponseWriter.Write(b) //nolint:wrapcheck // as http.ResponseWriter has it
	}
	text := strings.TrimSpace(string(b))
	name, message, _ := strings.Cut(text, ": ")
	err := fabric.Errorf(codeOfStatus(w.problem.status), "%s", message)
	if code, ours := strings.CutPrefix(name, ourError); ours {
		err.Code = fabric.Code(code)
	}
	w.fail(err)
	return len(b), nil
}

// fail answers with a problem.
func (w *tusWriter) fail(err *fabric.Error) {
	status := w.problem.status
	w.problem = nil
	if w.refused != nil {
		w.refused(err)
	}
	if err.Code == fabric.CodeRateLimited || err.Code == fabric.CodeUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	problemWith(w.ResponseWriter, status, err)
}

// end answers where the library has said no more than a status.
func (w *tusWriter) end() {
	if w.problem != nil {
		w.fail(fabric.Errorf(codeOfStatus(w.problem.status), "%s", http.StatusText(w.problem.status)))
	}
}

// codeOfStatus returns the code that an error of the library's has here.
func codeOfStatus(status int) fabric.Code {
	switch status {
	case http.StatusUnauthorized:
		return fabric.CodeUnauthenticated
	case http.StatusForbidden:
		return fabric.CodeForbidden
	case http.StatusNotFound, http.StatusGone:
		return fabric.CodeNotFound
	case http.StatusConflict, http.StatusLocked:
		return fabric.CodeConflict
	case http.StatusRequestEntityTooLarge:
		return fabric.CodeTooLarge
	case http.StatusTooManyRequests:
		return fabric.CodeRateLimited
	}
	if status < http.StatusInternalServerError {
		return fabric.CodeBadRequest
	}
	return fabric.CodeUnavailable
}
