package chats_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// ask asks a verb of the role; code is the error's, empty for none.
func ask[Reply any](t *testing.T, f *edgetest.Fabric, verb subjects.Verb, req any) (reply Reply, code fabric.Code) {
	t.Helper()
	reply, err := service.Call[Reply](t.Context(), f.NATS.Connect(t), verb, req)
	if err != nil {
		code = fabric.CodeOf(err)
	}
	return reply, code
}

func TestOpen(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann, bob := f.User(t, e, "ann").User.ID, f.User(t, e, "bob").User.ID
	for _, tc := range []struct {
		who     string
		u, peer fabric.UserID
		want    fabric.Code
	}{
		{"two people", ann, bob, ""},
		{"the other way round", bob, ann, ""},
		{"oneself", ann, ann, fabric.CodeBadRequest},
		{"nobody there", ann, fabric.NewUserID(), fabric.CodeNotFound},
		{"no id", ann, "*", fabric.CodeBadRequest},
	} {
		reply, code := ask[contract.ChatsOpenReply](t, f, subjects.ChatsOpen, contract.ChatsOpenRequest{User: tc.u, Peer: tc.peer})
		if code != tc.want || (code == "" && reply.Channel != fabric.Direct(ann, bob)) {
			t.Errorf("%s: %v, %q, want %q", tc.who, reply, code, tc.want)
		}
	}
}

// The list is newest first and counts what is unread, however soon after a message it is asked for.
func TestListKnowsWhatWasJustSent(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	a := edgetest.Connect(t, e, ann, "")
	a.Synced()
	list := func(cursor string, limit int) contract.ChatsListReply {
		t.Helper()
		reply, code := ask[contract.ChatsListReply](t, f, subjects.ChatsList, contract.ChatsListRequest{User: ann.User.ID, Limit: limit, Cursor: cursor})
		if code != "" {
			t.Fatal(code)
		}
		return reply
	}
	if got := list("", 0); len(got.Channels) != 0 || got.Channels == nil {
		t.Errorf("of a new user: %+v", got)
	}
	var want []string
	for i := range 7 {
		peer := f.User(t, e, fmt.Sprint("peer ", i))
		p := edgetest.Connect(t, e, peer, "")
		var last edgetest.Object
		for range i + 1 {
			last = p.Send(string(ann.User.ID), "", "hi")
		}
		top := list("", 1).Channels[0]
		var m fabric.Stored
		if err := json.Unmarshal(top.Last, &m); err != nil {
			t.Fatal(err)
		}
		if top.ID != fabric.Direct(ann.User.ID, peer.User.ID) || top.Unread != i+1 || m.Seq != last.Num("seq") || top.Name != peer.User.Name {
			t.Fatalf("right after %d messages of %s: %+v", i+1, peer.User.Name, top)
		}
		want = append([]string{string(top.ID)}, want...)
	}
	// pages of any size bring all, each once
	for limit := 1; limit <= 8; limit++ {
		var got []string
		for cursor := ""; ; {
			page := list(cursor, limit)
			for _, c := range page.Channels {
				got = append(got, string(c.ID))
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("pages of %d: %v, want %v", limit, got, want)
		}
	}
	// what was read is not unread
	top := list("", 1).Channels[0]
	var m fabric.Stored
	if err := json.Unmarshal(top.Last, &m); err != nil {
		t.Fatal(err)
	}
	a.Call("read", map[string]any{"channel": top.ID, "seq": m.Seq})
	weftest.Eventually(t, "it is read", func() bool { return list("", 1).Channels[0].Unread == 0 }) // the mark is on its way
	if got := list("", 1).Channels[0].Receipts; len(got) != 1 || got[0] != (fabric.Receipt{User: ann.User.ID, Delivered: m.Seq, Read: m.Seq}) {
		t.Errorf("receipts: %v", got)
	}
	if _, code := ask[contract.ChatsListReply](t, f, subjects.ChatsList, contract.ChatsListRequest{User: ann.User.ID, Cursor: "?"}); code != fabric.CodeBadRequest {
		t.Errorf("a cursor that is none: %q", code)
	}
}

func TestReceiptsAreTheMembers(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	ann, bob, cem := fabric.NewUserID(), fabric.NewUserID(), fabric.NewUserID()
	for u, want := range map[fabric.UserID]fabric.Code{ann: "", bob: "", cem: fabric.CodeForbidden} {
		_, code := ask[contract.ChatsReceiptsReply](t, f, subjects.ChatsReceipts, contract.ChatsReceiptsRequest{User: u, Channel: fabric.Direct(ann, bob)})
		if code != want {
			t.Errorf("got %q, want %q", code, want)
		}
	}
}
