package msglog

import (
	"context"
	"encoding/json"
	"fmt"
)

// Head returns the seq of the newest record that the stream ever held, 0 where it never held one. It is the leader's
// word: whatever was acked before the call is at or below it. A direct get could be answered by a replica that is
// behind, and finds nothing where the newest record is gone.
func (r *Reader) Head(ctx context.Context, stream string) (uint64, error) {
	var err error
	for range attempts {
		var head uint64
		head, err = r.tryHead(ctx, stream)
		if err == nil {
			return head, nil
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("head of stream %s: %w", stream, ctx.Err())
		}
	}
	return 0, unavailable(stream, err)
}

func (r *Reader) tryHead(ctx context.Context, stream string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	msgs, err := r.direct.ask(ctx, apiInfo+stream, nil, false)
	if err != nil {
		return 0, err
	}
	m := msgs[0]
	if status := m.Header.Get(headerStatus); status != "" {
		return 0, &StatusError{Stream: stream, Status: status, Text: m.Header.Get(headerText)}
	}
	var info struct {
		State struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		return 0, fmt.Errorf("decode stream info: %w", err)
	}
	if info.Error != nil {
		return 0, &StatusError{Stream: stream, Status: "error", Text: info.Error.Description}
	}
	return info.State.LastSeq, nil
}
