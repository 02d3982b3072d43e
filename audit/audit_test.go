package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

func TestEventsAreInTheStreamAndStay(t *testing.T) {
	nats := weftest.StartNATS(t, natsconfig.FabricConfig{})
	log, err := audit.New(nats.Connect(t), "users", weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ann, phone := fabric.NewUserID(), fabric.NewDeviceID()
	before := fabric.Millis(time.Now())
	log.Write(audit.Event{What: audit.SignIn, User: ann, Device: phone, Address: "203.0.113.7", Detail: audit.Phone("+4915123456789")})
	log.Write(audit.Event{What: audit.Refused, User: ann, Op: "send", Code: fabric.CodeForbidden})
	if err := log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stream, err := nats.JetStream(t).Stream(t.Context(), subjects.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "audit.users.sign_in")
	if err != nil {
		t.Fatal(err)
	}
	var e audit.Event
	if err := json.Unmarshal(msg.Data, &e); err != nil {
		t.Fatal(err)
	}
	if e.User != ann || e.Device != phone || e.Address != "203.0.113.7" || e.Detail != "+49*********89" || e.At < before {
		t.Errorf("got %+v", e)
	}
	if err := stream.DeleteMsg(t.Context(), msg.Sequence); err == nil {
		t.Error("an event was deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the audit log was purged")
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 2 {
		t.Errorf("the stream has %+v, %v, want 2 events", info, err)
	}
}

// What the stream does not take is counted, and Write does not wait for it.
func TestLostEventsAreCounted(t *testing.T) {
	nats := weftest.StartNATS(t, natsconfig.FabricConfig{})
	reg := prometheus.NewRegistry()
	nc := nats.Connect(t)
	log, err := audit.New(nc, "users", weftest.Logger(t), reg)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	log.Write(audit.Event{What: audit.SignIn})
	if n := weftest.Metric(t, reg, "weft_audit_lost_total"); n != 1 {
		t.Errorf("%v events are counted as lost, want 1", n)
	}
}

func TestPhonesAreHidden(t *testing.T) {
	for text, want := range map[string]string{
		"+4915123456789": "+49*********89", "+49 (151) 2345-6789": "+49*********89", "+1 650 253 0000": "+16*******00",
		"": "…", "+49": "…", "ann": "…", strings.Repeat("7", 16): "…", strings.Repeat("x", 1<<16): "…", "\xff+49151\x00234": "+49****34",
	} {
		if got := audit.Phone(text); got != want {
			t.Errorf("%.20q is shown as %q, want %q", text, got, want)
		}
	}
}
