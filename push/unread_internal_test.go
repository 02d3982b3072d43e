package push

import (
	"testing"

	"github.com/weft-im/weft/fabric"
)

// Who is owed a message is told without reading it, but not where it may have been deleted or edited meanwhile.
func TestUnread(t *testing.T) {
	said := record{seq: 4, from: "u1", kind: fabric.MsgText, payload: []byte("not read")}
	n, ok := unread(&window{records: []record{said, {seq: 5, from: "u2", kind: fabric.MsgText}}})
	if !ok || len(n.messages) != 2 || n.messages[0].seq != 4 || n.messages[0].from != "u1" || n.messages[1].seq != 5 {
		t.Errorf("two messages: %+v, %v", n.messages, ok)
	}
	for _, kind := range []string{fabric.MsgDelete, fabric.MsgEdit} {
		if n, ok := unread(&window{records: []record{said, {seq: 5, from: "u1", kind: kind}}}); ok {
			t.Errorf("beside a %s: %+v", kind, n.messages)
		}
	}
}
