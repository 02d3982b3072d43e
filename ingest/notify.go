package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// kindNotify is of what services send that is no message: a notification on a user's devices, by the push role.
const kindNotify = "notify"

// notifiedFor is how long the queue of pushes surely knows a notification that is sent again. Past that it is not queued
// again: whoever sends it for longer is answered that it is known.
const notifiedFor = 9 * time.Minute

// notify has a user notified, once.
func (r *Role) notify(ctx context.Context, s *known, to string, m contract.ServiceSend) (msglog.Stored, error) {
	var none msglog.Stored
	c, err := fabric.ParseChannelID(to)
	if err != nil {
		return none, err
	}
	if c.Kind() != fabric.KindSelf {
		return none, fabric.Errorf(fabric.CodeBadRequest, "kind %s: want it sent to u.<user>", kindNotify)
	}
	if !s.MayUsers {
		return none, fabric.Errorf(fabric.CodeForbidden, "service %s may not write to users", s.Name)
	}
	_, user := c.Tokens()
	req := contract.PushNotifyRequest{User: fabric.UserID(user), Service: s.Name, From: s.User, CID: m.CID}
	dec := json.NewDecoder(bytes.NewReader(m.Body))
	dec.DisallowUnknownFields() // what is not shown is not taken
	if err := dec.Decode(&req.Notice); err != nil && !errors.Is(err, io.EOF) {
		return none, fabric.Errorf(fabric.CodeBadRequest, "body: want {title, body, link}")
	}
	now := r.cfg.Now()
	note, err := r.store.NoteSend(ctx, s.User, m.CID, Note{Channel: c, At: fabric.Millis(now)})
	if err != nil {
		return none, fmt.Errorf("note what is sent: %w", err)
	}
	stored := msglog.Stored{Sent: fabric.Sent{Channel: c, At: fabric.Millis(now)}, Duplicate: note != nil}
	if note != nil {
		stored.At = note.At
		if note.Channel != c {
			return none, fabric.Errorf(fabric.CodeConflict, "cid: it was used for a message to another channel")
		}
		if now.Sub(time.UnixMilli(note.At)) > notifiedFor {
			return stored, nil
		}
	}
	// By how many devices, if any, is not the service's to know.
	_, err = service.Call[contract.PushNotifyReply](ctx, r.nc, subjects.PushNotify, req)
	return stored, err
}
