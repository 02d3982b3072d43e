package view_test

import (
	"encoding/json"
	"fmt"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/client/view"
	"github.com/weft-im/weft/fabric"
)

// A page of history, and what comes live behind it.
func Example() {
	v := view.New(ann)
	v.Load([]client.Shown{{Stored: fabric.Stored{Seq: 7, Message: fabric.Message{
		From: bob, Kind: fabric.MsgText, Body: json.RawMessage(`{"text":"helo"}`),
	}}}})
	for _, m := range []fabric.Stored{
		{Seq: 9, At: 1_700_000_000_000, Message: fabric.Message{From: bob, Kind: fabric.MsgEdit, Body: json.RawMessage(`{"seq":7,"body":{"text":"hello"}}`)}},
		{Seq: 12, Message: fabric.Message{From: ann, Kind: fabric.MsgReaction, Body: json.RawMessage(`{"seq":7,"emoji":"👍"}`)}},
	} {
		touched := v.Apply(m)
		shown, _ := v.Message(touched.Seq)
		fmt.Printf("%s edited: %v, reactions: %d\n", shown.Body, shown.EditedAt != 0, len(shown.Reactions))
	}
	// Output:
	// {"text":"hello"} edited: true, reactions: 0
	// {"text":"hello"} edited: true, reactions: 1
}
