package edge_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// operate asks all that operators do; at last it drains an edge.
func operate(t *testing.T, nc *nats.Conn, e *edgetest.Edge, ann, bob, eve client.Grant) {
	t.Helper()
	for _, q := range []struct {
		verb subjects.Verb
		req  any
	}{
		{subjects.UsersFind, contract.UsersFindRequest{Query: "ann"}},
		{subjects.UsersShow, contract.UsersShowRequest{User: ann.User.ID}},
		{subjects.UsersSignOut, contract.UsersSignOutRequest{User: eve.User.ID, By: "otto"}},
		{subjects.UsersErase, contract.UsersEraseRequest{User: eve.User.ID, By: "otto"}},
		{subjects.EdgeStatus(e.ID), contract.EdgeStatusRequest{}},
		{subjects.EdgeSessions(e.ID), contract.EdgeSessionsRequest{User: bob.User.ID}},
		{subjects.EdgeDrain(e.ID), contract.EdgeDrainRequest{By: "otto"}},
	} {
		if _, err := service.CallRaw(t.Context(), nc, q.verb, q.req); err != nil {
			t.Errorf("%s: %v", q.verb, err)
		}
	}
}
