package edge_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// An operator sees who is where, page by page, and has one edge drain: its clients are told, the other edge's are not.
func TestOperatorsSeeAndDrainAnEdge(t *testing.T) {
	for name, stay := range map[string]bool{"it ends": false, "it stays": true} {
		t.Run(name, func(t *testing.T) {
			f := edgetest.Start(t, edgetest.Config{StayDrained: stay})
			here, there := f.Edge(t), f.Edge(t)
			nc := f.NATS.Connect(t)
			ann, bob := f.User(t, here, "ann"), f.User(t, here, "bob")
			join := func(e *edgetest.Edge, g client.Grant) *edgetest.Conn {
				c := edgetest.Connect(t, e, g, "")
				c.Synced()
				return c
			}
			a1, a2, b := join(here, ann), join(here, ann), join(here, bob)
			a3 := join(there, ann)
			status := func(e *edgetest.Edge) contract.EdgeStatus {
				t.Helper()
				st, err := service.Call[contract.EdgeStatus](t.Context(), nc, subjects.EdgeStatus(e.ID), contract.EdgeStatusRequest{})
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			if st := status(here); st.Sessions != 3 || st.Users != 2 || st.Connections != 3 || st.Draining || st.Version != service.Version || st.Since == 0 {
				t.Errorf("status: %+v", st)
			}
			if st := status(there); st.Sessions != 1 {
				t.Errorf("the other edge: %+v", st)
			}

			var who []fabric.UserID
			req := contract.EdgeSessionsRequest{Limit: 2}
			for pages := 1; ; pages++ {
				reply, err := service.Call[contract.EdgeSessionsReply](t.Context(), nc, subjects.EdgeSessions(here.ID), req)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range reply.Sessions {
					who = append(who, s.User)
					if s.Address != "127.0.0.1" || s.Since == 0 || !s.Active {
						t.Errorf("session: %+v", s)
					}
				}
				if req.After = reply.More; req.After == 0 {
					if pages != 2 {
						t.Errorf("three sessions in pages of two are %d pages", pages)
					}
					break
				}
			}
			if len(who) != 3 || who[0] != ann.User.ID || who[1] != ann.User.ID || who[2] != bob.User.ID {
				t.Errorf("connected: %v", who)
			}
			of, err := service.Call[contract.EdgeSessionsReply](t.Context(), nc, subjects.EdgeSessions(here.ID), contract.EdgeSessionsRequest{User: bob.User.ID})
			if err != nil || len(of.Sessions) != 1 || of.Sessions[0].Device != bob.Device.ID {
				t.Errorf("bob's: %+v, %v", of, err)
			}
			if _, err := service.CallRaw(t.Context(), nc, subjects.EdgeSessions(here.ID), contract.EdgeSessionsRequest{Limit: -1}); fabric.CodeOf(err) != fabric.CodeBadRequest {
				t.Errorf("a limit that is none: %v", err)
			}

			told, err := service.Call[contract.EdgeDrainReply](t.Context(), nc, subjects.EdgeDrain(here.ID), contract.EdgeDrainRequest{By: "otto"})
			if err != nil || told.Connections != 3 || told.Stays != stay {
				t.Errorf("drain: %+v, %v", told, err)
			}
			for _, c := range []*edgetest.Conn{a1, a2, b} {
				c.Event("bye")
			}
			if stay {
				weftest.Eventually(t, "the edge has drained", func() bool {
					st := status(here)
					return st.Draining && st.Connections == 0
				})
				weftest.Eventually(t, "it serves nothing any more", func() bool {
					res, err := http.Get(here.URL + "/v1/limits")
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					return res.StatusCode == http.StatusServiceUnavailable
				})
				// asking again is no error
				if _, err := service.CallRaw(t.Context(), nc, subjects.EdgeDrain(here.ID), contract.EdgeDrainRequest{By: "otto"}); err != nil {
					t.Error(err)
				}
			} else {
				<-here.Done()
				if err := here.Ended(); !errors.Is(err, edge.ErrDrained) {
					t.Errorf("the edge ended with %v", err)
				}
			}
			a3.Send(string(edgetest.Direct(ann, bob)), "", "the other edge goes on")

			m, err := f.NATS.JetStream(t).Stream(t.Context(), subjects.AuditStream)
			if err != nil {
				t.Fatal(err)
			}
			last, err := m.GetLastMsgForSubject(t.Context(), subjects.Audit(string(subjects.RoleEdge), string(audit.EdgeDrained)))
			if err != nil {
				t.Fatal(err)
			}
			var e audit.Event
			if err := json.Unmarshal(last.Data, &e); err != nil || e.Edge != here.ID || e.Detail != "by otto" {
				t.Errorf("audit: %s, %v", last.Data, err)
			}
		})
	}
}
