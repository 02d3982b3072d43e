package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/subjects"
)

// Who may change which message how, whether the archive has it or only the log.
func TestAdmit(t *testing.T) {
	for _, archived := range []bool{true, false} {
		t.Run(fmt.Sprintf("archived %v", archived), func(t *testing.T) {
			p := newPast(t, 1)
			ann, bob := p.store.newUser(t), p.store.newUser(t)
			c, other := p.store.open(t, ann, bob), p.store.open(t, ann, p.store.newUser(t))
			db := &brittle{Store: p.store}
			db.broken.Store(!archived)
			p.start(db, history.Config{SettleWithin: 5 * time.Millisecond})
			anns, bobs, foreign := p.say(c, ann, "ann's"), p.say(c, bob, "bob's"), p.say(other, ann, "elsewhere")
			server := p.record(c, ann, "settings", `{"disappear":0}`)
			gone := p.say(c, ann, "gone")
			deletion := p.record(c, ann, "delete", `{"seq":%d}`, gone)
			only := p.write(c, fabric.AppendOnlyPayload(nil, bob, fabric.NewCID(), "text", []byte(`{"text":"bob's own"}`)))
			if archived {
				p.settled()
			}
			edit, remove, pin := `{"seq":%d,"body":{"text":"x"}}`, `{"seq":%d}`, `{"seq":%d,"on":true}`
			for _, test := range []struct {
				who    fabric.UserID
				kind   string
				body   string
				target uint64
				more   contract.HistoryAdmitRequest
				want   fabric.Code
			}{
				{who: ann, kind: "edit", body: edit, target: anns},
				{who: bob, kind: "edit", body: edit, target: anns, want: fabric.CodeForbidden},
				{who: bob, kind: "edit", body: edit, target: anns, more: contract.HistoryAdmitRequest{Admin: true}, want: fabric.CodeForbidden},
				{who: ann, kind: "edit", body: edit, target: gone, want: fabric.CodeConflict},
				{who: ann, kind: "edit", body: edit, target: deletion, want: fabric.CodeNotFound},
				{who: ann, kind: "edit", body: edit, target: foreign, want: fabric.CodeNotFound},
				{who: ann, kind: "edit", body: edit, target: 1000, want: fabric.CodeNotFound},
				{who: ann, kind: "edit", body: edit, target: server, want: fabric.CodeForbidden},
				{who: ann, kind: "edit", body: edit, target: anns, more: contract.HistoryAdmitRequest{From: bobs}, want: fabric.CodeNotFound},
				{who: ann, kind: "edit", body: `{"seq":%d}`, target: anns, want: fabric.CodeBadRequest},
				{who: ann, kind: "edit", body: `{"seq":%d,"body":null}`, target: anns, want: fabric.CodeBadRequest},
				{who: ann, kind: "edit", body: `{"seq":-%d,"body":{}}`, target: anns, want: fabric.CodeBadRequest},
				{who: ann, kind: "edit", body: edit, target: 0, want: fabric.CodeBadRequest},
				{who: ann, kind: "delete", body: remove, target: anns},
				{who: bob, kind: "delete", body: remove, target: anns, want: fabric.CodeForbidden},
				{who: bob, kind: "delete", body: remove, target: anns, more: contract.HistoryAdmitRequest{Admin: true}},
				{who: ann, kind: "delete", body: remove, target: gone, want: fabric.CodeConflict},
				{who: ann, kind: "delete", body: remove, target: server, more: contract.HistoryAdmitRequest{Admin: true}, want: fabric.CodeForbidden},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"👨‍👩‍👧‍👦"}`, target: bobs},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":""}`, target: bobs},
				{who: ann, kind: "reaction", body: `{"seq":%d}`, target: bobs, want: fabric.CodeBadRequest},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"a b"}`, target: bobs, want: fabric.CodeBadRequest},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"\u0007"}`, target: bobs, want: fabric.CodeBadRequest},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍"}`, target: bobs, want: fabric.CodeBadRequest},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"👍"}`, target: gone, want: fabric.CodeConflict},
				{who: ann, kind: "reaction", body: `{"seq":%d,"emoji":"👍"}`, target: only, want: fabric.CodeNotFound},
				{who: bob, kind: "reaction", body: `{"seq":%d,"emoji":"👍"}`, target: only},
				{who: ann, kind: "pin", body: pin, target: bobs, want: fabric.CodeForbidden},
				{who: ann, kind: "pin", body: pin, target: bobs, more: contract.HistoryAdmitRequest{Admin: true}},
				{who: ann, kind: "pin", body: `{"seq":%d}`, target: bobs, more: contract.HistoryAdmitRequest{Admin: true}, want: fabric.CodeBadRequest},
				{who: ann, kind: "text", body: `{"seq":%d}`, target: bobs, want: fabric.CodeBadRequest},
				{who: "x", kind: "edit", body: edit, target: anns, want: fabric.CodeBadRequest},
			} {
				req := test.more
				req.User, req.Channel, req.Kind, req.Body = test.who, c, test.kind, fmt.Appendf(nil, test.body, test.target)
				if _, err := ask[struct{}](p, subjects.HistoryAdmit, req); codeOf(err) != test.want {
					t.Errorf("%s %s by %s, %+v: %v, want %q", test.kind, req.Body, test.who, test.more, err, test.want)
				}
			}
			if !archived {
				return
			}
			// what one has hidden is not there to be changed
			if _, err := ask[struct{}](p, subjects.HistoryHide, contract.HistoryHideRequest{User: bob, Channel: c, Seq: anns}); err != nil {
				t.Fatal(err)
			}
			if _, err := ask[struct{}](p, subjects.HistoryAdmit, contract.HistoryAdmitRequest{
				User: bob, Channel: c, Kind: "reaction", Body: fmt.Appendf(nil, `{"seq":%d,"emoji":"👍"}`, anns),
			}); fabric.CodeOf(err) != fabric.CodeNotFound {
				t.Errorf("a reaction to what is hidden: %v", err)
			}
		})
	}
}

func codeOf(err error) fabric.Code {
	if err == nil {
		return ""
	}
	return fabric.CodeOf(err)
}

// Edits come within a while; deleting has no end.
func TestEditWithin(t *testing.T) {
	p := newPast(t, 1)
	ann, bob := p.store.newUser(t), p.store.newUser(t)
	c := p.store.open(t, ann, bob)
	seq := p.say(c, ann, "hello")
	for _, test := range []struct {
		later time.Duration
		kind  string
		want  fabric.Code
	}{{59 * time.Second, "edit", ""}, {61 * time.Second, "edit", fabric.CodeForbidden}, {1000 * time.Hour, "delete", ""}} {
		now := time.Now().Add(test.later)
		p.start(p.store, history.Config{EditWithin: time.Minute, Now: func() time.Time { return now }})
		_, err := ask[struct{}](p, subjects.HistoryAdmit, contract.HistoryAdmitRequest{
			User: ann, Channel: c, Kind: test.kind, Body: fmt.Appendf(nil, `{"seq":%d,"body":{}}`, seq),
		})
		if codeOf(err) != test.want {
			t.Errorf("%s after %s: %v, want %q", test.kind, test.later, err, test.want)
		}
		p.stop()
	}
}
