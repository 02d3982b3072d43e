package edge_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// Bad input gets a typed error, and the connection stays.
func TestBadInputKeepsTheConnection(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) { l.FrameBytes = 128 << 10 }})
	e := f.Edge(t)
	ann, bob, cem := f.User(t, e, "ann"), f.User(t, e, "bob"), f.User(t, e, "cem")
	theirs := edgetest.Direct(bob, cem)
	send := func(fields string) string {
		return fmt.Sprintf(`{"op":"send","id":7,"to":%q,"cid":%q,"kind":"text","body":{"text":"x"}%s}`, bob.User.ID, fabric.NewCID(), fields)
	}
	for _, tc := range []struct {
		name, frame string
		want        fabric.Code
		noID        bool // the error can't name the request
	}{
		{"no JSON", `hello`, fabric.CodeBadRequest, true},
		{"cut off", `{"op":"ping","id":7`, fabric.CodeBadRequest, false},
		{"an array", `[1,2]`, fabric.CodeBadRequest, true},
		{"nothing", ``, "", true},
		{"no op", `{"id":7}`, fabric.CodeBadRequest, false},
		{"unknown op", `{"op":"fly","id":7}`, fabric.CodeBadRequest, false},
		{"op is no text", `{"op":5,"id":7}`, fabric.CodeBadRequest, false},
		{"hello again", `{"op":"hello","id":7,"token":"x"}`, fabric.CodeConflict, false},
		{"send to nobody", `{"op":"send","id":7,"cid":"` + fabric.NewCID() + `","kind":"text","body":1}`, fabric.CodeBadRequest, false},
		{"send to a stranger", `{"op":"send","id":7,"to":"` + string(fabric.NewUserID()) + `","cid":"` + fabric.NewCID() + `","kind":"text","body":1}`, fabric.CodeNotFound, false},
		{"send to oneself", strings.Replace(send(""), string(bob.User.ID), string(ann.User.ID), 1), fabric.CodeBadRequest, false},
		{"send to others' chat", strings.Replace(send(""), string(bob.User.ID), string(theirs), 1), fabric.CodeForbidden, false},
		{"send to a self channel", strings.Replace(send(""), string(bob.User.ID), "u."+string(ann.User.ID), 1), fabric.CodeForbidden, false},
		{"cid is no UUID", strings.Replace(send(""), `"cid":"`, `"cid":"x`, 1), fabric.CodeBadRequest, false},
		{"a kind with a blank", strings.Replace(send(""), `"text",`, `"te xt",`, 1), fabric.CodeBadRequest, false},
		{"no body", `{"op":"send","id":7,"to":"` + string(bob.User.ID) + `","cid":"` + fabric.NewCID() + `","kind":"text"}`, fabric.CodeBadRequest, false},
		{"a body too large", strings.Replace(send(""), `"x"`, `"`+strings.Repeat("x", 64<<10)+`"`, 1), fabric.CodeTooLarge, false},
		{"a frame too large", `{"op":"ping","id":7,"pad":"` + strings.Repeat("x", 200<<10) + `"}`, fabric.CodeTooLarge, true},
		{"history of others", `{"op":"history","id":7,"channel":"` + string(theirs) + `"}`, fabric.CodeForbidden, false},
		{"history of no channel", `{"op":"history","id":7,"channel":"*.>"}`, fabric.CodeBadRequest, false},
		{"history before and after", `{"op":"history","id":7,"channel":"` + string(edgetest.Direct(ann, bob)) + `","before":5,"after":5}`, fabric.CodeBadRequest, false},
		{"a negative seq", `{"op":"ack","id":7,"channel":"` + string(edgetest.Direct(ann, bob)) + `","seq":-1}`, fabric.CodeBadRequest, false},
		{"watch nobody", `{"op":"watch","id":7}`, fabric.CodeBadRequest, false},
		{"watch everybody", `{"op":"watch","id":7,"users":["*"]}`, fabric.CodeBadRequest, false},
		{"typing without on", `{"op":"typing","id":7,"channel":"` + string(edgetest.Direct(ann, bob)) + `"}`, fabric.CodeBadRequest, false},
		{"channels of a foreign cursor", `{"op":"channels","id":7,"cursor":"!!"}`, fabric.CodeBadRequest, false},
		{"join", `{"op":"join","id":7,"channel":"g.` + fabric.NewCID() + `"}`, fabric.CodeForbidden, false},
		{"unknown fields are fine", `{"op":"ping","id":7,"what":{"ever":[1,2,{"a":null}]}}`, "", false},
		{"with line feeds between tokens", "{\"op\":\"ping\",\r\n \"id\":7}", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := edgetest.Connect(t, e, ann, "")
			c.Synced()
			c.Raw(tc.frame)
			if tc.want != "" || !tc.noID {
				o := c.Await("its answer", func(o edgetest.Object) bool { return o["err"] != nil || o["ok"] != nil })
				if o.Err() != tc.want || tc.noID != (o["id"] == nil) {
					t.Errorf("got %v, want %q", o, tc.want)
				}
			}
			if pong := c.Call("ping", nil); pong.OK().Num("now") == 0 {
				t.Errorf("ping after it: %v", pong)
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		c := edgetest.Connect(t, e, ann, "")
		c.Synced()
		c.Frame(websocket.MessageBinary, []byte(`{"op":"ping","id":7}`))
		if o := c.Next(); o.Err() != fabric.CodeBadRequest {
			t.Errorf("got %v", o)
		}
		if pong := c.Call("ping", nil); pong.OK().Num("now") == 0 {
			t.Errorf("ping after it: %v", pong)
		}
	})
	t.Run("good ones in a frame with a bad one", func(t *testing.T) {
		c := edgetest.Connect(t, e, ann, "")
		c.Synced()
		c.Raw(`{"op":"ping","id":101}` + "\n" + `{"op":` + "\n" + `{"op":"ping","id":102}`)
		if c.Reply(101).OK() == nil || c.Await("the error", func(o edgetest.Object) bool { return o["err"] != nil }).Err() != fabric.CodeBadRequest || c.Reply(102).OK() == nil {
			t.Error("want two answers and an error")
		}
	})
}

// What nobody answers to is closed with the code that says why.
func TestWhoIsClosed(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{Limits: func(l *edge.Limits) {
		l.HelloMillis = 300
		l.FrameBytes, l.OpsPerSecond, l.OpsBurst = 4<<10, 1, 10
	}})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	for _, tc := range []struct {
		name string
		do   func(c *edgetest.Conn)
		in   bool // signed in before
		want websocket.StatusCode
	}{
		{"says nothing", func(*edgetest.Conn) {}, false, 4401},
		{"begins with something else", func(c *edgetest.Conn) { c.Ask("send", nil) }, false, 4401},
		{"has a bad token", func(c *edgetest.Conn) { c.Ask("hello", map[string]any{"token": "x.y.z"}) }, false, 4401},
		{"has no token", func(c *edgetest.Conn) { c.Ask("hello", nil) }, false, 4401},
		{"is malformed before hello", func(c *edgetest.Conn) { c.Raw("{{{") }, false, 4400},
		{"is malformed for long", func(c *edgetest.Conn) {
			for range 21 {
				c.Raw("{{{")
			}
		}, true, 4400},
		{"sends a frame without end", func(c *edgetest.Conn) { c.Raw(`{"op":"` + strings.Repeat("x", 64<<10)) }, true, 4400},
		{"asks far too often", func(c *edgetest.Conn) {
			for range 3 {
				c.Raw(strings.Repeat(`{"op":"ping","id":1}`+"\n", 150)[:3000])
			}
			for range 8 {
				c.Raw(strings.Repeat(`{"op":"ping","id":1}`+"\n", 150))
			}
		}, true, 4429},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := edgetest.Dial(t, e)
			if tc.in {
				c.Call("hello", map[string]any{"token": ann.AccessToken})
				c.Synced()
			}
			tc.do(c)
			if code := c.Closed(); code != tc.want {
				t.Errorf("closed with %d, want %d", code, tc.want)
			}
		})
	}
}

// An edge that was cut off from NATS while a device was revoked ends its session within a second of being back: also
// where NATS had sent the word already, and it was lost with the connection.
func TestRevokedWhileAnEdgeWasCutOff(t *testing.T) {
	for _, tc := range []struct {
		name string
		cut  func(*edgetest.Link, func())
	}{
		{"cut off", func(l *edgetest.Link, revoke func()) {
			l.CutOff()
			revoke()
			l.Mend()
		}},
		{"sent and lost", func(l *edgetest.Link, revoke func()) {
			l.Drop(func(subject string, _ []byte) bool {
				return strings.HasPrefix(subject, "$KV."+subjects.BucketRevoked+".")
			})
			revoke()
			weftest.Eventually(t, "the word was lost", func() bool { return l.Dropped() > 0 })
			l.Drop(nil)
			l.Break()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := edgetest.Start(t, edgetest.Config{})
			e1, e2 := f.Edge(t), f.Edge(t)
			ann := f.User(t, e1, "ann")
			laptop := edgetest.SignIn(t, e2.URL, ann.User.Phone, "laptop")
			phone, lap := edgetest.Connect(t, e1, ann, ""), edgetest.Connect(t, e1, laptop, "")
			phone.Synced()
			lap.Synced()
			tc.cut(e1.Link, func() {
				if err := api(e2).Logout(t.Context(), laptop.AccessToken); err != nil {
					t.Fatal(err)
				}
			})
			back := time.Now()
			if code := lap.Closed(); code != 4403 {
				t.Errorf("closed with %d, want 4403", code)
			}
			if took := time.Since(back); took > time.Second { // some of it until the client comes back
				t.Errorf("the session of a revoked device ended %v after NATS was back, want within 1 s", took)
			}
			if pong := phone.Call("ping", nil); pong.OK() == nil {
				t.Errorf("the other device: %v", pong)
			}
		})
	}
}

// After an absence in which a revocation may have come and been forgotten, nobody's session goes on: who may comes back.
func TestAnEdgeThatWasAwayForLongEndsItsSessions(t *testing.T) {
	for _, tc := range []struct {
		away time.Duration
		ends bool
	}{{natsconfig.RevokedFor/2 - time.Minute, false}, {natsconfig.RevokedFor, true}} {
		t.Run(tc.away.String(), func(t *testing.T) {
			// The clock is looked at as NATS goes, and as it is back.
			var looks atomic.Int64
			f := edgetest.Start(t, edgetest.Config{Now: func() time.Time {
				return time.Now().Add(time.Duration(looks.Add(1)-1) * tc.away)
			}})
			e := f.Edge(t)
			ann := f.User(t, e, "ann")
			c := edgetest.Connect(t, e, ann, "")
			_, cursor := c.Synced()
			resyncs := e.Counter(t, "weft_edge_resyncs_total")
			e.Link.Break()
			if tc.ends {
				if code := c.Closed(); code != 1012 {
					t.Errorf("closed with %d, want 1012", code)
				}
				edgetest.Connect(t, e, ann, cursor).Synced()
				return
			}
			weftest.Eventually(t, "the edge has read what it missed", func() bool {
				return e.Counter(t, "weft_edge_resyncs_total") > resyncs
			})
			if pong := c.Call("ping", nil); pong.OK() == nil {
				t.Errorf("the session: %v", pong)
			}
		})
	}
}

// A device that is signed out is out within a second on every edge, also where it was not signed out.
func TestRevokedDeviceIsClosedAtOnce(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	edges := []*edgetest.Edge{f.Edge(t), f.Edge(t), f.Edge(t)}
	e1, e2 := edges[0], edges[1]
	ann := f.User(t, e1, "ann")
	laptop := edgetest.SignIn(t, e2.URL, ann.User.Phone, "laptop")
	phone := edgetest.Connect(t, e1, ann, "")
	phone.Synced()
	var sessions []*edgetest.Conn
	for _, e := range edges {
		c := edgetest.Connect(t, e, laptop, "")
		c.Synced()
		sessions = append(sessions, c)
	}
	began := time.Now()
	if err := api(e2).Logout(t.Context(), laptop.AccessToken); err != nil {
		t.Fatal(err)
	}
	for i, c := range sessions {
		if end := c.ClosedWith(); end.Code != 4403 || end.Reason != "signed_out" {
			t.Errorf("edge %d: closed with %v, want 4403 signed_out", i+1, end)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("edge %d: closed after %s, want within 1 s", i+1, took)
		}
	}
	if pong := phone.Call("ping", nil); pong.OK() == nil {
		t.Errorf("the other device: %v", pong)
	}
	// its token is good for nothing any more, on any edge
	for _, e := range edges {
		c := edgetest.Dial(t, e)
		c.Ask("hello", map[string]any{"token": laptop.AccessToken})
		if end := c.ClosedWith(); end.Code != 4403 || end.Reason != "signed_out" {
			t.Errorf("hello with a revoked token: closed with %v, want 4403 signed_out", end)
		}
		if _, err := api(e).Lookup(t.Context(), laptop.AccessToken, ann.User.Phone); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			t.Errorf("HTTP with a revoked token: %v", err)
		}
	}
	if _, err := api(e1).Refresh(t.Context(), laptop.RefreshToken, ""); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Errorf("refresh of a revoked device: %v", err)
	}
}

// A session whose device was not revoked by its user is told so.
func TestWhyADeviceIsRevoked(t *testing.T) {
	f := edgetest.Start(t, edgetest.Config{})
	e := f.Edge(t)
	ann := f.User(t, e, "ann")
	for _, tc := range []struct {
		why    string
		revoke func(device client.Grant) error
	}{
		{"reused", func(g client.Grant) error {
			if _, err := api(e).Refresh(t.Context(), g.RefreshToken, "one"); err != nil {
				return err
			}
			if _, err := api(e).Refresh(t.Context(), g.RefreshToken, "another"); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
				return fmt.Errorf("a spent refresh token: %w", err)
			}
			return nil
		}},
		{"deleted", func(g client.Grant) error {
			return client.NewAccount(api(e), client.StaticToken(g.AccessToken)).DeleteMe(t.Context(), ann.User.Phone)
		}},
	} {
		device := edgetest.SignIn(t, e.URL, ann.User.Phone, tc.why)
		c := edgetest.Connect(t, e, device, "")
		c.Synced()
		if err := tc.revoke(device); err != nil {
			t.Fatalf("%s: %v", tc.why, err)
		}
		if end := c.ClosedWith(); end.Code != 4403 || end.Reason != tc.why {
			t.Errorf("%s: closed with %v", tc.why, end)
		}
	}
}
