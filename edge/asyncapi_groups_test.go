package edge_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// asked asks a service, which must do what it is asked.
func asked[Reply any](t *testing.T, nc *nats.Conn, verb subjects.Verb, req any) Reply {
	t.Helper()
	reply, err := service.Call[Reply](t.Context(), nc, verb, req)
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
	return reply
}

func isChange(change string) func(edgetest.Object) bool {
	return func(o edgetest.Object) bool { return o.Event() == "channel" && o.Str("change") == change }
}

// talkOfGroups has ann and bob do all that there is with a group and its messages, over NATS where no session does it.
func talkOfGroups(t *testing.T, doc *asyncapi, say func(*edgetest.Conn, string, map[string]any) edgetest.Object, nc *nats.Conn, ann, bob client.Grant, a, b *edgetest.Conn) {
	t.Helper()
	type fields = map[string]any
	type none struct{}
	admins, all := fabric.ByAdmins, fabric.HistoryAll
	made := asked[contract.ChatsCreateReply](t, nc, subjects.ChatsCreate, contract.ChatsCreateRequest{
		User: ann.User.ID, CID: fabric.NewCID(), Name: "Weavers", Settings: &contract.SettingsChange{Change: &admins, History: &all},
		Members: []fabric.UserID{fabric.NewUserID()},
	})
	a.Await("ann is in it", isChange("added"))
	g, c := contract.ChatsGroupRequest{User: ann.User.ID, Group: made.ID}, made.Channel
	in := asked[contract.Invite](t, nc, subjects.ChatsInvite, contract.ChatsInviteRequest{ChatsGroupRequest: g, ExpiresIn: 60, Uses: 9})
	asked[contract.ChatsInvitesReply](t, nc, subjects.ChatsInvites, g)
	asked[contract.ChatsInvitedReply](t, nc, subjects.ChatsInvited, contract.ChatsInvitedRequest{User: bob.User.ID, Code: in.Code})
	if joined := say(b, "join", fields{"code": in.Code}); joined.OK().Str("channel") != string(c) {
		t.Fatalf("join: %v", joined)
	}
	asked[none](t, nc, subjects.ChatsUninvite, contract.ChatsUninviteRequest{ChatsGroupRequest: g, Code: in.Code})
	b.Await("bob is in it", isChange("added"))

	// they talk, and a message has everything that it can have
	seq := a.Send(string(c), "", "warp and weft").Num("seq")
	for kind, body := range map[string]fields{
		"edit": {"body": fields{"text": "weft and warp"}}, "reaction": {"emoji": "✓"}, "pin": {"on": true},
	} {
		body["seq"] = seq
		if o := say(a, "send", fields{"to": c, "cid": fabric.NewCID(), "kind": kind, "body": body}); o.Err() != "" {
			t.Errorf("%s: %v", kind, o)
		}
		b.Await(kind, func(o edgetest.Object) bool { return o.Event() == "message" && o.Str("kind") == kind })
	}
	say(b, "typing", fields{"channel": c, "on": true}) // it may be past the rate
	say(b, "read", fields{"channel": c, "seq": seq})
	a.Await("what all have read", func(o edgetest.Object) bool { return o.Event() == "receipt" && o["user"] == nil })
	say(a, "receipts", fields{"channel": c, "limit": 1, "seq": seq})
	about := contract.HistoryMessageRequest{User: ann.User.ID, Channel: c, Seq: seq}
	asked[none](t, nc, subjects.HistoryStar, contract.HistoryStarRequest{HistoryMessageRequest: about, On: true})
	a.Await("it is starred", isChange("starred"))
	asked[contract.HistoryMessageReply](t, nc, subjects.HistoryMessage, about)
	asked[contract.HistoryStarredReply](t, nc, subjects.HistoryStarred, contract.HistoryStarredRequest{User: ann.User.ID})
	asked[contract.HistoryPinsReply](t, nc, subjects.HistoryPins, contract.HistoryPinsRequest{User: bob.User.ID, Channel: c})
	if found := asked[contract.HistorySearchReply](t, nc, subjects.HistorySearch, contract.HistorySearchRequest{User: bob.User.ID, Query: "weft", Limit: 1}); len(found.Hits) != 1 {
		t.Errorf("search: %+v", found)
	}
	say(a, "history", fields{"channel": c, "after": 0})
	say(a, "channels", nil)
	asked[none](t, nc, subjects.HistoryAdmit, contract.HistoryAdmitRequest{User: ann.User.ID, Channel: c, Kind: fabric.MsgDelete, Admin: true, Body: json.RawMessage(fmt.Sprintf(`{"seq":%d}`, seq))})
	asked[none](t, nc, subjects.HistoryHide, about)
	a.Await("it is hidden", isChange("hidden"))

	// it changes
	name := "Weavers of Ulm"
	asked[contract.ChatsGroupReply](t, nc, subjects.ChatsChange, contract.ChatsChangeRequest{ChatsGroupRequest: g, Name: &name})
	asked[contract.ChatsGroupReply](t, nc, subjects.ChatsGroup, g)
	asked[contract.ChatsMembersReply](t, nc, subjects.ChatsMembers, contract.ChatsMembersRequest{ChatsGroupRequest: g, Limit: 1})
	asked[contract.ChatsRoleReply](t, nc, subjects.ChatsRole, contract.ChatsRoleRequest{ChatsGroupRequest: g, Member: bob.User.ID, Role: fabric.RoleAdmin})
	asked[contract.Membership](t, nc, subjects.ChatsAccess, contract.ChatsAccessRequest{User: bob.User.ID, Channel: c})
	asked[contract.ChatsFloorsReply](t, nc, subjects.ChatsFloors, contract.ChatsFloorsRequest{Channel: c})
	asked[contract.ChatsAddReply](t, nc, subjects.ChatsAdd, contract.ChatsAddRequest{ChatsGroupRequest: g, Users: []fabric.UserID{bob.User.ID, fabric.NewUserID()}})
	if left := say(b, "leave", fields{"channel": c}); left.OK().Str("channel") != string(c) {
		t.Errorf("leave: %v", left)
	}
	b.Await("bob is out", isChange("removed"))

	muted, on := int64(fabric.MutedForever), true
	asked[contract.Channel](t, nc, subjects.ChatsPrefs, contract.ChatsPrefsRequest{
		ChatsChannelRequest: contract.ChatsChannelRequest{User: ann.User.ID, Channel: c}, MutedUntil: &muted, Archived: &on, Pinned: &on, MarkedUnread: &on,
	})
	a.Await("its prefs", isChange("prefs"))
	asked[contract.Channel](t, nc, subjects.ChatsChannel, contract.ChatsChannelRequest{User: ann.User.ID, Channel: c})
}

// talkOfPeople asks what there is to be asked about people.
func talkOfPeople(t *testing.T, nc *nats.Conn, ann, bob, cem client.Grant) {
	t.Helper()
	type none struct{}
	about, none2 := "weaves", contract.CircleContacts
	asked[contract.UsersGetReply](t, nc, subjects.UsersUpdate, contract.UsersUpdateRequest{User: ann.User.ID, About: &about, Privacy: &contract.PrivacyChange{LastSeen: &none2}})
	asked[contract.UsersLookupReply](t, nc, subjects.UsersLookup, contract.UsersLookupRequest{User: ann.User.ID, Phones: []string{bob.User.Phone}})
	asked[contract.UsersListReply](t, nc, subjects.UsersContacts, contract.UsersOwnRequest{User: ann.User.ID})
	asked[none](t, nc, subjects.UsersForget, contract.UsersForgetRequest{User: ann.User.ID, Contact: bob.User.ID})
	asked[contract.UsersVisibleReply](t, nc, subjects.UsersVisible, contract.UsersVisibleRequest{Viewer: bob.User.ID, Users: []fabric.UserID{ann.User.ID}})
	asked[none](t, nc, subjects.UsersDelete, contract.UsersDeleteRequest{User: cem.User.ID, Phone: cem.User.Phone})
	asked[contract.UsersGetReply](t, nc, subjects.UsersGet, contract.UsersGetRequest{Viewer: ann.User.ID, User: cem.User.ID})
	for _, on := range []bool{true, false} {
		asked[none](t, nc, subjects.UsersBlock, contract.UsersBlockRequest{User: bob.User.ID, Other: ann.User.ID, On: on})
		asked[contract.UsersListReply](t, nc, subjects.UsersBlocks, contract.UsersOwnRequest{User: bob.User.ID})
		asked[contract.ChatsOpenReply](t, nc, subjects.ChatsOpen, contract.ChatsOpenRequest{User: ann.User.ID, Peer: bob.User.ID})
	}
}
