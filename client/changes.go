package client

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weft-im/weft/fabric"
)

// Text is the body of a message of kind "text".
type Text struct {
	Text      string          `json:"text"`
	ReplyTo   uint64          `json:"reply_to,omitempty"` // the seq of a message of the same channel
	Mentions  []fabric.UserID `json:"mentions,omitempty"`
	Forwarded bool            `json:"forwarded,omitempty"` // from another channel
}

// SendText sends a text as Send does.
func (s *Session) SendText(ctx context.Context, to string, text Text) (fabric.Sent, error) {
	return s.sendValue(ctx, to, fabric.MsgText, text)
}

// Edit gives a message of the user's own a new body, for as long after it was sent as the server allows.
func (s *Session) Edit(ctx context.Context, channel fabric.ChannelID, seq uint64, body json.RawMessage) (fabric.Sent, error) {
	return s.sendValue(ctx, string(channel), fabric.MsgEdit, struct {
		Seq  uint64          `json:"seq"`
		Body json.RawMessage `json:"body"`
	}{seq, body})
}

// DeleteForAll deletes a message for everyone: one of the user's own, or any of a group whose admin they are. See
// Account.DeleteForMe for the other one.
func (s *Session) DeleteForAll(ctx context.Context, channel fabric.ChannelID, seq uint64) (fabric.Sent, error) {
	return s.sendValue(ctx, string(channel), fabric.MsgDelete, struct {
		Seq uint64 `json:"seq"`
	}{seq})
}

// React sets the user's reaction to a message; "" takes it back.
func (s *Session) React(ctx context.Context, channel fabric.ChannelID, seq uint64, emoji string) (fabric.Sent, error) {
	return s.sendValue(ctx, string(channel), fabric.MsgReaction, struct {
		Seq   uint64 `json:"seq"`
		Emoji string `json:"emoji"`
	}{seq, emoji})
}

// Pin pins a message in its channel for everyone, or no longer.
func (s *Session) Pin(ctx context.Context, channel fabric.ChannelID, seq uint64, on bool) (fabric.Sent, error) {
	return s.sendValue(ctx, string(channel), fabric.MsgPin, struct {
		Seq uint64 `json:"seq"`
		On  bool   `json:"on"`
	}{seq, on})
}

func (s *Session) sendValue(ctx context.Context, to, kind string, body any) (fabric.Sent, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return fabric.Sent{}, fmt.Errorf("client: encode a body of kind %s: %w", kind, err)
	}
	return s.Send(ctx, to, kind, b)
}
